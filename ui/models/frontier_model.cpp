// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/frontier_model.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"

#include <QFont>
#include <QGuiApplication>
#include <QPalette>

#include <algorithm>

namespace longlora::ui {

namespace {

QString verdictText(PlanVerdict verdict)
{
    return verdict == PlanVerdict::Fits    ? FrontierModel::tr("fits")
           : verdict == PlanVerdict::Tight ? FrontierModel::tr("tight")
                                           : FrontierModel::tr("no");
}

QColor verdictColour(PlanVerdict verdict)
{
    const PlotTheme theme(QGuiApplication::palette());
    const QColor tint = verdict == PlanVerdict::Fits    ? theme.good
                        : verdict == PlanVerdict::Tight ? theme.warning
                                                        : theme.bad;
    constexpr double kTint = 0.22;
    return blended(theme.background, tint, kTint);
}

QString hoursText(double hours)
{
    // One unit, so that a cell holds it in large text too, and on one line.
    const double minutes = hours * 60.0;
    const QString text = minutes < 1.0  ? durationText(minutes * 60.0)
                         : minutes < 60 ? FrontierModel::tr("%1 min").arg(numberText(minutes, 2))
                                        : FrontierModel::tr("%1 h").arg(numberText(hours, 3));
    return QString(text).replace(u' ', QChar(QChar::Nbsp));
}

} // namespace

void FrontierModel::setFrontier(Frontier frontier, std::int64_t context, std::int64_t devices)
{
    const bool sameAxes =
        frontier.contexts == m_frontier.contexts && frontier.devices == m_frontier.devices;
    if (!sameAxes) {
        beginResetModel();
    }
    m_frontier = std::move(frontier);
    m_context = context;
    m_devices = devices;
    if (!sameAxes) {
        endResetModel();
    } else if (rowCount() > 0) {
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, columnCount() - 1));
    }
}

QModelIndex FrontierModel::ownCell() const
{
    const auto row = std::ranges::find(m_frontier.contexts, m_context);
    const auto column = std::ranges::find(m_frontier.devices, m_devices);
    if (row == m_frontier.contexts.end() || column == m_frontier.devices.end()) {
        return {};
    }
    return index(static_cast<int>(row - m_frontier.contexts.begin()),
                 static_cast<int>(column - m_frontier.devices.begin()));
}

int FrontierModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_frontier.contexts.size());
}

int FrontierModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_frontier.devices.size());
}

QVariant FrontierModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) {
        return {};
    }
    const FrontierCell& cell = m_frontier.at(static_cast<std::size_t>(index.row()),
                                             static_cast<std::size_t>(index.column()));
    switch (role) {
    case Qt::DisplayRole:
        return cell.verdict == PlanVerdict::No || cell.hoursPerThousandSteps <= 0.0
                   ? verdictText(cell.verdict)
                   : tr("%1 %2").arg(verdictText(cell.verdict),
                                     hoursText(cell.hoursPerThousandSteps));
    case Qt::BackgroundRole:
        return verdictColour(cell.verdict);
    case Qt::TextAlignmentRole:
        return QVariant::fromValue(Qt::AlignCenter);
    case Qt::FontRole: {
        QFont font;
        font.setBold(index == ownCell());
        return font;
    }
    case Qt::ToolTipRole:
    case Qt::AccessibleTextRole:
        return explain(index);
    default:
        return {};
    }
}

QString FrontierModel::explain(const QModelIndex& index) const
{
    const auto row = static_cast<std::size_t>(index.row());
    const auto column = static_cast<std::size_t>(index.column());
    const FrontierCell& cell = m_frontier.at(row, column);
    QString text =
        tr("%1 tokens, devices: %2: %3, %4 on each")
            .arg(countText(m_frontier.contexts[row]), countText(m_frontier.devices[column]),
                 verdictText(cell.verdict), bytesText(cell.peakBytes));
    if (cell.hoursPerThousandSteps > 0.0) {
        text += tr("; %1 per 1,000 steps").arg(hoursText(cell.hoursPerThousandSteps));
    }
    if (cell.sequenceParallel > 1) {
        text += tr("; devices that share a row: %1").arg(countText(cell.sequenceParallel));
    }
    return text;
}

QVariant FrontierModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (role != Qt::DisplayRole) {
        return QAbstractTableModel::headerData(section, orientation, role);
    }
    const auto place = static_cast<std::size_t>(section);
    return orientation == Qt::Horizontal ? tr("x %1").arg(countText(m_frontier.devices[place]))
                                         : countText(m_frontier.contexts[place]);
}

} // namespace longlora::ui
