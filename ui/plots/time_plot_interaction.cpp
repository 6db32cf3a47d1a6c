// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/plots/axis_ticker.h"
#include "ui/plots/plot_theme.h"
#include "ui/plots/time_plot_parts.h"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QWheelEvent>
#include <qcustomplot.h>

#include <algorithm>
#include <cmath>

namespace longlora::ui {

namespace {

constexpr double kZoomStep = 0.8;
constexpr double kPanStep = 0.1;

QPen penFor(const PlotTheme& theme, TimePlot::Line line, int colour)
{
    QColor stroke = theme.series(colour);
    switch (line) {
    case TimePlot::Line::Faint:
        stroke.setAlphaF(theme.isDark ? 0.6F : 0.4F);
        return {stroke, 1.0};
    case TimePlot::Line::Strong:
        return {stroke, 1.8};
    case TimePlot::Line::Dashed:
        return {stroke, 1.5, Qt::DashLine};
    case TimePlot::Line::Points:
        stroke.setAlphaF(0.6F);
        return {stroke, 1.0};
    }
    return {};
}

} // namespace

void TimePlot::applyTheme()
{
    const PlotTheme theme(palette());
    m_plot->setBackground(theme.background);
    for (const Parts::PanelParts& part : m_parts->panels) {
        for (QCPAxis* axis : part.rect->axes()) {
            axis->setBasePen(QPen(theme.grid));
            axis->setTickPen(QPen(theme.grid));
            axis->setSubTickPen(Qt::NoPen);
            axis->setTickLabelColor(theme.faintText);
            axis->setTickLabelFont(font());
            axis->setLabelColor(theme.faintText);
            axis->setLabelFont(font());
            axis->grid()->setPen(QPen(theme.grid, 1, Qt::DotLine));
            axis->grid()->setZeroLinePen(Qt::NoPen);
        }
        part.readout->setColor(theme.text);
        part.readout->setFont(font());
        part.cursor->setPen(QPen(theme.faintText, 1));
    }
    for (const Parts::SeriesParts& part : m_parts->series) {
        const QPen pen = penFor(theme, part.series.line, part.series.colour);
        part.graph->setPen(pen);
        if (part.series.line == Line::Points) {
            part.graph->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssDiamond,
                                                        QPen(pen.color()), QBrush(pen.color()), 8));
        }
    }
    if (m_parts->hint != nullptr) {
        m_parts->hint->setColor(theme.faintText);
        m_parts->hint->setFont(font());
    }
}

void TimePlot::setKeyRange(double lower, double upper, bool fitted)
{
    for (const Parts::PanelParts& part : m_parts->panels) {
        part.rect->axis(QCPAxis::atBottom)->setRange(lower, upper);
    }
    if (m_fitted != fitted) {
        m_fitted = fitted;
        Q_EMIT fittedChanged(fitted);
    }
    refresh();
}

void TimePlot::zoom(double factor, double centre)
{
    const auto [lower, upper] = m_parts->keys();
    const auto all = m_parts->allKeys();
    const double first = centre - (centre - lower) * factor;
    const double last = centre + (upper - centre) * factor;
    if (!all || last - first > 1.5 * std::max(all->second - all->first, 1e-9)) {
        fit();
        return;
    }
    setKeyRange(first, last, false);
}

void TimePlot::pan(double share)
{
    const auto [lower, upper] = m_parts->keys();
    const double shift = share * (upper - lower);
    setKeyRange(lower + shift, upper + shift, false);
}

void TimePlot::setCursor(double key)
{
    m_parts->cursor = key;
    for (const Parts::PanelParts& part : m_parts->panels) {
        part.cursor->point1->setCoords(key, 0.0);
        part.cursor->point2->setCoords(key, 1.0);
        part.cursor->setVisible(true);
    }
    showReadouts();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void TimePlot::hideCursor()
{
    m_parts->cursor.reset();
    for (const Parts::PanelParts& part : m_parts->panels) {
        part.cursor->setVisible(false);
    }
    showReadouts();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void TimePlot::showReadouts()
{
    for (std::size_t i = 0; i < m_parts->panels.size(); ++i) {
        m_parts->panels[i].readout->setText(readout(static_cast<int>(i)));
    }
}

QString TimePlot::readout(int panel) const
{
    const Parts::PanelParts& part = m_parts->panels[static_cast<std::size_t>(panel)];
    QStringList values;
    for (const Parts::SeriesParts& each : m_parts->series) {
        if (each.series.panel != panel || each.graph->data()->isEmpty()) {
            continue;
        }
        // Without a cursor the newest value is the one of interest.
        auto point = m_parts->cursor ? each.graph->data()->findBegin(*m_parts->cursor, true)
                                     : each.graph->data()->constEnd() - 1;
        if (m_parts->cursor) {
            const auto next = point + 1;
            if (next != each.graph->data()->constEnd() &&
                std::abs(next->key - *m_parts->cursor) < std::abs(point->key - *m_parts->cursor)) {
                point = next;
            }
        }
        values.append(each.series.name + u' ' + formatValue(part.panel.format, point->value));
    }
    QString text = part.panel.title;
    if (panel == 0 && m_parts->cursor) {
        text += QLatin1String("  @ ") + m_parts->keyLabel + u' ' +
                formatValue(m_parts->keyFormat, std::round(*m_parts->cursor));
    }
    if (!values.isEmpty()) {
        text += QLatin1String("   ") + values.join(QStringLiteral("   "));
    }
    return text;
}

void TimePlot::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        applyTheme();
        refresh();
    }
    QWidget::changeEvent(event);
}

void TimePlot::keyPressEvent(QKeyEvent* event)
{
    const auto [lower, upper] = m_parts->keys();
    const double centre = m_parts->cursor.value_or((lower + upper) / 2.0);
    const int direction = event->key() == Qt::Key_Left ? -1 : 1;
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        zoom(kZoomStep, centre);
        return;
    case Qt::Key_Minus:
        zoom(1.0 / kZoomStep, centre);
        return;
    case Qt::Key_Home:
    case Qt::Key_0:
        fit();
        return;
    case Qt::Key_Escape:
        hideCursor();
        return;
    case Qt::Key_Left:
    case Qt::Key_Right:
        if (event->modifiers().testFlag(Qt::ShiftModifier)) {
            setCursor(std::clamp(centre + direction * 0.01 * (upper - lower), lower, upper));
        } else {
            pan(direction * kPanStep);
        }
        return;
    default:
        QWidget::keyPressEvent(event);
    }
}

bool TimePlot::eventFilter(QObject* watched, QEvent* event)
{
    if (watched != m_plot || m_parts->panels.empty()) {
        return QWidget::eventFilter(watched, event);
    }
    QCPAxis* axis = m_parts->panels.front().rect->axis(QCPAxis::atBottom);
    switch (event->type()) {
    case QEvent::Wheel: {
        const auto* wheel = static_cast<QWheelEvent*>(event);
        zoom(std::pow(kZoomStep, wheel->angleDelta().y() / 120.0),
             axis->pixelToCoord(wheel->position().x()));
        return true;
    }
    case QEvent::MouseButtonDblClick:
        fit();
        return true;
    case QEvent::MouseButtonPress:
        setFocus(Qt::MouseFocusReason);
        m_parts->dragFrom = axis->pixelToCoord(static_cast<QMouseEvent*>(event)->position().x());
        return true;
    case QEvent::MouseButtonRelease:
        m_parts->dragFrom.reset();
        return true;
    case QEvent::MouseMove:
        moveTo(*static_cast<QMouseEvent*>(event));
        return true;
    case QEvent::Leave:
        hideCursor();
        break;
    default:
        break;
    }
    return QWidget::eventFilter(watched, event);
}

void TimePlot::moveTo(const QMouseEvent& event)
{
    QCPAxis* axis = m_parts->panels.front().rect->axis(QCPAxis::atBottom);
    const double key = axis->pixelToCoord(event.position().x());
    if (m_parts->dragFrom && event.buttons().testFlag(Qt::LeftButton)) {
        const double shift = *m_parts->dragFrom - key;
        if (shift != 0.0) {
            setKeyRange(axis->range().lower + shift, axis->range().upper + shift, false);
        }
        return;
    }
    setCursor(key);
}

} // namespace longlora::ui
