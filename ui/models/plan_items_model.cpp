// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/plan_items_model.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"

#include <QFontMetrics>
#include <QGuiApplication>
#include <QPainter>
#include <QPalette>
#include <QPixmap>

namespace longlora::ui {

namespace {

QPixmap swatch(int index)
{
    const int size = QFontMetrics(QGuiApplication::font()).ascent();
    const PlotTheme theme(QGuiApplication::palette());
    QPixmap pixmap(size, size);
    pixmap.fill(theme.background);
    QPainter(&pixmap).fillRect(pixmap.rect(), theme.area(index));
    return pixmap;
}

} // namespace

void PlanItemsModel::setItems(const std::vector<PlannedItem>& items)
{
    if (items.size() == m_items.size()) {
        m_items = items;
        if (!items.empty()) {
            Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumnCount - 1));
        }
        return;
    }
    beginResetModel();
    m_items = items;
    endResetModel();
}

int PlanItemsModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_items.size());
}

int PlanItemsModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumnCount;
}

QVariant PlanItemsModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) {
        return {};
    }
    const PlannedItem& item = m_items[static_cast<std::size_t>(index.row())];
    switch (role) {
    case Qt::DisplayRole:
        return index.column() == Name    ? toQString(item.name)
               : index.column() == Bytes ? bytesText(item.bytes)
                                         : toQString(item.formula);
    case Qt::DecorationRole:
        return index.column() == Name ? QVariant(swatch(index.row())) : QVariant();
    case Qt::ToolTipRole:
        return toQString(item.formula);
    case Qt::TextAlignmentRole:
        return index.column() == Bytes ? QVariant::fromValue(Qt::AlignRight | Qt::AlignVCenter)
                                       : QVariant();
    default:
        return {};
    }
}

QVariant PlanItemsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return QAbstractTableModel::headerData(section, orientation, role);
    }
    return section == Name ? tr("Part") : section == Bytes ? tr("Size") : tr("Formula");
}

} // namespace longlora::ui
