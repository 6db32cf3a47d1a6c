// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/histogram.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>

#include <algorithm>
#include <bit>
#include <cmath>

namespace longlora::ui {

namespace {

int exponentOf(std::int64_t tokens)
{
    return static_cast<int>(
               std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(1, tokens)))) -
           1;
}

} // namespace

Histogram::Histogram(QWidget* parent)
    : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void Histogram::setLengths(const std::vector<std::int64_t>& lengths, std::int64_t target)
{
    m_bins.clear();
    m_longest = 0;
    m_target = target;
    if (!lengths.empty()) {
        const auto [low, high] = std::minmax_element(lengths.begin(), lengths.end());
        const int first = std::min(exponentOf(*low), target > 0 ? exponentOf(target) : 62);
        const int last = std::max(exponentOf(*high), target > 0 ? exponentOf(target) : 0);
        for (int exponent = first; exponent <= last; ++exponent) {
            m_bins.push_back({exponent, 0});
        }
        for (const std::int64_t length : lengths) {
            Bin& bin = m_bins[static_cast<std::size_t>(exponentOf(length) - first)];
            m_longest = std::max(m_longest, ++bin.documents);
        }
    }
    const auto longer = std::count_if(lengths.begin(), lengths.end(),
                                      [target](std::int64_t length) { return length > target; });
    setAccessibleDescription(tr("%1 documents, %2 of them longer than a row of %3 tokens")
                                 .arg(countText(static_cast<std::int64_t>(lengths.size())),
                                      countText(longer), countText(target)));
    updateGeometry();
    update();
}

QSize Histogram::sizeHint() const
{
    return {fontMetrics().height() * 24, fontMetrics().height() * 7};
}

QSize Histogram::minimumSizeHint() const
{
    return {fontMetrics().height() * 10, sizeHint().height()};
}

QRectF Histogram::plotArea() const
{
    const double line = fontMetrics().height();
    return QRectF(rect()).adjusted(6, line + 6, -6, -line - 6);
}

double Histogram::xOf(double tokens) const
{
    const QRectF area = plotArea();
    const double position = std::log2(std::max(1.0, tokens)) - m_bins.front().exponent;
    return area.left() + position * area.width() / static_cast<double>(m_bins.size());
}

QRectF Histogram::binRect(std::size_t bin) const
{
    const QRectF area = plotArea();
    const double width = area.width() / static_cast<double>(m_bins.size());
    const double height = area.height() * static_cast<double>(m_bins[bin].documents) /
                          static_cast<double>(std::max<std::int64_t>(1, m_longest));
    return {area.left() + static_cast<double>(bin) * width + 1, area.bottom() - height,
            std::max(1.0, width - 2), height};
}

void Histogram::paintEvent(QPaintEvent*)
{
    const PlotTheme theme(palette());
    QPainter painter(this);
    painter.fillRect(rect(), theme.background);
    painter.setPen(theme.grid);
    painter.drawRect(rect().adjusted(0, 0, -1, -1));
    if (m_bins.empty()) {
        painter.setPen(theme.faintText);
        painter.drawText(rect(), Qt::AlignCenter, tr("Lengths appear when files are counted"));
        return;
    }
    const QRectF area = plotArea();
    const double line = fontMetrics().height();
    double labelEnd = -1e9;
    for (std::size_t i = 0; i < m_bins.size(); ++i) {
        const QRectF bar = binRect(i);
        painter.fillRect(bar, theme.series(PlotTheme::Blue));
        painter.setPen(theme.faintText);
        const QString label = countText(std::int64_t{1} << m_bins[i].exponent);
        const double x = xOf(std::exp2(m_bins[i].exponent));
        if (x > labelEnd + 8) {
            painter.drawText(QPointF(x, area.bottom() + line), label);
            labelEnd = x + fontMetrics().horizontalAdvance(label);
        }
        if (m_bins[i].documents > 0) {
            painter.setPen(theme.text);
            painter.drawText(QRectF(bar.left() - 20, bar.top() - line - 1, bar.width() + 40, line),
                             Qt::AlignCenter, countText(m_bins[i].documents));
        }
    }
    painter.setPen(theme.grid);
    painter.drawLine(area.bottomLeft(), area.bottomRight());
    if (m_target > 0) {
        const double x = xOf(static_cast<double>(m_target));
        painter.setPen(QPen(theme.series(PlotTheme::Orange), 2, Qt::DashLine));
        painter.drawLine(QPointF(x, area.top() - line), QPointF(x, area.bottom()));
        painter.setPen(theme.series(PlotTheme::Orange));
        const QString label = tr("row %1").arg(countText(m_target));
        const int width = fontMetrics().horizontalAdvance(label);
        const bool left = x + width + 6 > area.right();
        painter.drawText(QPointF(left ? x - width - 5 : x + 5, line), label);
    }
}

bool Histogram::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip) {
        return QWidget::event(event);
    }
    const auto* help = static_cast<QHelpEvent*>(event);
    const QRectF area = plotArea();
    for (std::size_t i = 0; i < m_bins.size(); ++i) {
        const QRectF bar = binRect(i);
        if (help->x() >= bar.left() && help->x() <= bar.right() && area.contains(help->pos())) {
            QToolTip::showText(help->globalPos(),
                               tr("%1 documents of %2 to %3 tokens")
                                   .arg(countText(m_bins[i].documents),
                                        countText(std::int64_t{1} << m_bins[i].exponent),
                                        countText((std::int64_t{2} << m_bins[i].exponent) - 1)),
                               this);
            return true;
        }
    }
    QToolTip::hideText();
    event->ignore();
    return true;
}

} // namespace longlora::ui
