// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/plan_bar.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>

#include <algorithm>

namespace longlora::ui {

PlanBar::PlanBar(QWidget* parent)
    : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void PlanBar::setPlan(const std::vector<PlannedItem>& items, double memoryBytes)
{
    m_items = items;
    m_memoryBytes = memoryBytes;
    setAccessibleDescription(
        tr("%1 planned of %2").arg(bytesText(plannedBytes()), bytesText(memoryBytes)));
    update();
}

QSize PlanBar::sizeHint() const
{
    return {fontMetrics().height() * 18, fontMetrics().height() * 3};
}

QSize PlanBar::minimumSizeHint() const
{
    return {fontMetrics().height() * 8, sizeHint().height()};
}

double PlanBar::plannedBytes() const
{
    double sum = 0.0;
    for (const PlannedItem& item : m_items) {
        sum += item.bytes;
    }
    return sum;
}

double PlanBar::scaleBytes() const
{
    const double planned = plannedBytes();
    // A plan far below the memory would be a sliver: then the bar shows the plan alone.
    const bool showsMemory = m_memoryBytes > 0.0 && planned > 0.1 * m_memoryBytes;
    return std::max(1.0, showsMemory ? std::max(planned, m_memoryBytes) * 1.02 : planned);
}

QRectF PlanBar::barRect() const
{
    const double line = fontMetrics().height();
    return {0.5, 3.5, width() - 1.0, line * 1.5};
}

int PlanBar::itemAt(const QPointF& position) const
{
    const QRectF bar = barRect();
    if (!bar.contains(position)) {
        return -1;
    }
    const double bytes = (position.x() - bar.left()) / bar.width() * scaleBytes();
    double sum = 0.0;
    for (std::size_t i = 0; i < m_items.size(); ++i) {
        sum += m_items[i].bytes;
        if (bytes < sum) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

void PlanBar::paintEvent(QPaintEvent*)
{
    const PlotTheme theme(palette());
    QPainter painter(this);
    const QRectF bar = barRect();
    painter.setPen(theme.grid);
    painter.setBrush(theme.background);
    painter.drawRect(bar);
    const double scale = scaleBytes();
    double x = bar.left();
    for (std::size_t i = 0; i < m_items.size(); ++i) {
        const double width = m_items[i].bytes / scale * bar.width();
        painter.fillRect(QRectF(x, bar.top() + 1, width, bar.height() - 1),
                         theme.area(static_cast<int>(i)));
        x += width;
    }

    const double captionTop = bar.bottom() + 2;
    const QRectF caption(0, captionTop, width(), height() - captionTop);
    const bool showsLimit = m_memoryBytes > 0.0 && m_memoryBytes <= scale;
    if (showsLimit) {
        const double limit = bar.left() + m_memoryBytes / scale * bar.width();
        if (plannedBytes() > m_memoryBytes) {
            painter.fillRect(QRectF(limit, bar.top(), x - limit, bar.height()),
                             QBrush(theme.bad, Qt::BDiagPattern));
        }
        painter.setPen(QPen(theme.text, 2));
        painter.drawLine(QPointF(limit, bar.top() - 3), QPointF(limit, bar.bottom() + 2));
    }
    painter.setPen(palette().color(QPalette::WindowText));
    if (m_items.empty()) {
        painter.drawText(caption, Qt::AlignLeft | Qt::AlignTop,
                         tr("Choose a model to see the plan"));
        return;
    }
    const double share = m_memoryBytes > 0.0 ? plannedBytes() / m_memoryBytes : 0.0;
    const QString text =
        m_memoryBytes > 0.0
            ? tr("%1 planned, %2 of %3")
                  .arg(bytesText(plannedBytes()), percentText(share), bytesText(m_memoryBytes))
            : tr("%1 planned").arg(bytesText(plannedBytes()));
    painter.drawText(caption, Qt::AlignLeft | Qt::AlignTop,
                     fontMetrics().elidedText(text, Qt::ElideRight, width()));
}

bool PlanBar::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip) {
        return QWidget::event(event);
    }
    const auto* help = static_cast<QHelpEvent*>(event);
    const int index = itemAt(help->pos());
    if (index < 0) {
        QToolTip::hideText();
        event->ignore();
        return true;
    }
    const PlannedItem& item = m_items[static_cast<std::size_t>(index)];
    QToolTip::showText(help->globalPos(),
                       toQString(item.name) + QLatin1String(": ") + bytesText(item.bytes) + u'\n' +
                           toQString(item.formula),
                       this);
    return true;
}

} // namespace longlora::ui
