// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/sparkline.h"

#include "ui/plots/plot_theme.h"

#include <QApplication>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace longlora::ui {

void paintSparkline(QPainter& painter, const QRectF& rect, const std::vector<double>& values,
                    const QColor& colour)
{
    std::vector<double> finite;
    std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
                 [](double value) { return std::isfinite(value); });
    if (finite.size() < 2) {
        return;
    }
    const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
    const double range = *high > *low ? *high - *low : 1.0;
    QPolygonF line;
    for (std::size_t i = 0; i < finite.size(); ++i) {
        const double x = static_cast<double>(i) / static_cast<double>(finite.size() - 1);
        const double y = (*high - finite[i]) / range;
        line.append({rect.left() + x * rect.width(), rect.top() + y * rect.height()});
    }
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(colour, 1.5));
    painter.drawPolyline(line);
    painter.setBrush(colour);
    painter.drawEllipse(line.last(), 1.5, 1.5);
    painter.restore();
}

void SparklineDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                              const QModelIndex& index) const
{
    QStyleOptionViewItem empty = option;
    initStyleOption(&empty, index);
    empty.text.clear();
    QApplication::style()->drawControl(QStyle::CE_ItemViewItem, &empty, painter, option.widget);

    const auto values = index.data(Qt::UserRole).value<QVector<double>>();
    const bool selected = option.state.testFlag(QStyle::State_Selected);
    const QColor colour = selected ? option.palette.color(QPalette::HighlightedText)
                                   : PlotTheme(option.palette).series(PlotTheme::Blue);
    paintSparkline(*painter, QRectF(option.rect).adjusted(8, 5, -8, -5),
                   {values.begin(), values.end()}, colour);
}

QSize SparklineDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex&) const
{
    return {option.fontMetrics.averageCharWidth() * 16, option.fontMetrics.height() + 12};
}

} // namespace longlora::ui
