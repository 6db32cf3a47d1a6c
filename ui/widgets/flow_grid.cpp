// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/flow_grid.h"

#include <QStyle>
#include <QWidget>

#include <algorithm>

namespace longlora::ui {

namespace {

constexpr int kColumnGap = 18;
constexpr int kRowGap = 6;

int itemHeight(const QLayoutItem& item, int width)
{
    return item.hasHeightForWidth() ? item.heightForWidth(width) : item.sizeHint().height();
}

} // namespace

FlowGrid::FlowGrid(int columnWidth, QWidget* parent)
    : QLayout(parent)
    , m_columnWidth(columnWidth)
{
    setContentsMargins(0, 0, 0, 0);
}

FlowGrid::~FlowGrid()
{
    qDeleteAll(m_items);
}

void FlowGrid::addItem(QLayoutItem* item)
{
    m_items.append(item);
}

int FlowGrid::count() const
{
    return static_cast<int>(m_items.size());
}

QLayoutItem* FlowGrid::itemAt(int index) const
{
    return index >= 0 && index < count() ? m_items[index] : nullptr;
}

QLayoutItem* FlowGrid::takeAt(int index)
{
    return index >= 0 && index < count() ? m_items.takeAt(index) : nullptr;
}

int FlowGrid::heightForWidth(int width) const
{
    return arrange({0, 0, width, 0}, false);
}

QSize FlowGrid::minimumSize() const
{
    int width = 0;
    for (const QLayoutItem* item : m_items) {
        width = std::max(width, item->minimumSize().width());
    }
    const QMargins margins = contentsMargins();
    return {width + margins.left() + margins.right(), margins.top() + margins.bottom()};
}

QSize FlowGrid::sizeHint() const
{
    const int width = std::max(m_columnWidth, minimumSize().width());
    return {width, heightForWidth(width)};
}

void FlowGrid::setGeometry(const QRect& rect)
{
    QLayout::setGeometry(rect);
    arrange(rect, true);
}

int FlowGrid::arrange(const QRect& rect, bool apply) const
{
    const QRect inner = rect.marginsRemoved(contentsMargins());
    QList<QLayoutItem*> shown;
    std::copy_if(m_items.begin(), m_items.end(), std::back_inserter(shown),
                 [](const QLayoutItem* item) { return !item->isEmpty(); });
    const int fitting = (inner.width() + kColumnGap) / (m_columnWidth + kColumnGap);
    const int columns = std::clamp(fitting, 1, std::max(1, static_cast<int>(shown.size())));
    const int width = (inner.width() - (columns - 1) * kColumnGap) / columns;

    int y = inner.top();
    for (qsizetype first = 0; first < shown.size(); first += columns) {
        const qsizetype end = std::min<qsizetype>(first + columns, shown.size());
        int height = 0;
        for (qsizetype i = first; i < end; ++i) {
            height = std::max(height, itemHeight(*shown[i], width));
        }
        for (qsizetype i = first; apply && i < end; ++i) {
            const int column = static_cast<int>(i - first);
            shown[i]->setGeometry({inner.left() + column * (width + kColumnGap), y, width, height});
        }
        y += height + (end < shown.size() ? kRowGap : 0);
    }
    return y - rect.top() + contentsMargins().bottom();
}

FlowGrid* makeFieldGrid(const QWidget& owner)
{
    return new FlowGrid(owner.fontMetrics().averageCharWidth() * 42);
}

} // namespace longlora::ui
