// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/plots/time_plot.h"

#include "ui/plots/axis_ticker.h"
#include "ui/plots/time_plot_parts.h"

#include <QSvgGenerator>
#include <QVBoxLayout>
#include <qcustomplot.h>

#include <algorithm>
#include <cmath>

namespace longlora::ui {

namespace {

constexpr int kPanelGap = 6;
constexpr double kMargin = 0.06; ///< of the value range, above and below the curves

constexpr int kKeyTicks = 9;
constexpr int kDensePoints = 1000;

/// Low panels have room for few labels.
int tickCountOf(const TimePlot::Panel& panel)
{
    return panel.stretch > 3 ? 5 : 2;
}

} // namespace

TimePlot::Parts::Range TimePlot::Parts::keys() const
{
    const QCPRange range = panels.front().rect->axis(QCPAxis::atBottom)->range();
    return {range.lower, range.upper};
}

std::optional<TimePlot::Parts::Range> TimePlot::Parts::allKeys() const
{
    std::optional<QCPRange> all;
    for (const SeriesParts& part : series) {
        bool found = false;
        const QCPRange range = part.graph->data()->keyRange(found);
        if (found) {
            all = all ? all->expanded(range) : range;
        }
    }
    return all ? std::optional(Range(all->lower, all->upper)) : std::nullopt;
}

TimePlot::TimePlot(QWidget* parent)
    : QWidget(parent)
    , m_plot(new QCustomPlot(this))
    , m_parts(std::make_unique<Parts>())
{
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);
    m_plot->plotLayout()->clear();
    m_plot->plotLayout()->setRowSpacing(kPanelGap);
    m_plot->setNoAntialiasingOnDrag(true);

    m_plot->setFocusPolicy(Qt::NoFocus);
    m_plot->setMouseTracking(true);
    m_plot->installEventFilter(this);
    m_parts->margins = new QCPMarginGroup(m_plot);
    setFocusPolicy(Qt::StrongFocus);
    setMinimumHeight(fontMetrics().height() * 13);
}

TimePlot::~TimePlot() = default;

int TimePlot::addPanel(const Panel& panel)
{
    auto* rect = new QCPAxisRect(m_plot, false);
    rect->addAxis(QCPAxis::atBottom);
    rect->addAxis(QCPAxis::atLeft);
    rect->setMarginGroup(QCP::msLeft | QCP::msRight, m_parts->margins);
    rect->setMinimumMargins({8, fontMetrics().height() + 3, 16, 4});
    QCPAxis* values = rect->axis(QCPAxis::atLeft);
    values->setTicker(makeTicker(panel.format, false, tickCountOf(panel)));
    const auto row = static_cast<int>(m_parts->panels.size());
    m_plot->plotLayout()->addElement(row, 0, rect);
    m_plot->plotLayout()->setRowStretchFactor(row, panel.stretch);
    for (QCPAxis* axis : rect->axes()) {
        axis->setLayer(QStringLiteral("axes"));
        axis->grid()->setLayer(QStringLiteral("grid"));
    }

    auto* readout = new QCPItemText(m_plot);
    readout->setClipToAxisRect(false);
    readout->position->setType(QCPItemPosition::ptAxisRectRatio);
    readout->position->setAxisRect(rect);
    readout->position->setCoords(0.0, 0.0);
    readout->setPositionAlignment(Qt::AlignLeft | Qt::AlignBottom);
    readout->setTextAlignment(Qt::AlignLeft);
    auto* cursor = new QCPItemStraightLine(m_plot);
    cursor->setClipAxisRect(rect);
    for (QCPItemPosition* position : {cursor->point1, cursor->point2}) {
        position->setAxes(rect->axis(QCPAxis::atBottom), values);
        position->setTypeY(QCPItemPosition::ptAxisRectRatio);
        position->setAxisRect(rect);
    }
    cursor->setVisible(false);
    m_parts->panels.push_back({panel, rect, readout, cursor});

    // Only the last panel labels the axis they share.
    for (const Parts::PanelParts& part : m_parts->panels) {
        part.rect->axis(QCPAxis::atBottom)->setTickLabels(part.rect == rect);
    }
    applyTheme();
    return row;
}

int TimePlot::addSeries(const Series& series)
{
    QCPAxisRect* rect = m_parts->panels[static_cast<std::size_t>(series.panel)].rect;
    QCPGraph* graph = m_plot->addGraph(rect->axis(QCPAxis::atBottom), rect->axis(QCPAxis::atLeft));
    graph->setAdaptiveSampling(true);
    m_parts->series.push_back({series, graph});
    applyTheme();
    return static_cast<int>(m_parts->series.size()) - 1;
}

void TimePlot::append(int series, std::span<const double> keys, std::span<const double> values)
{
    QCPGraph* graph = m_parts->series[static_cast<std::size_t>(series)].graph;
    const auto count = static_cast<int>(std::min(keys.size(), values.size()));
    QVector<QCPGraphData> points(count);
    for (int i = 0; i < count; ++i) {
        points[i] = {keys[static_cast<std::size_t>(i)], values[static_cast<std::size_t>(i)]};
    }
    graph->data()->add(points, true);
}

void TimePlot::clearSeries(int series)
{
    m_parts->series[static_cast<std::size_t>(series)].graph->data()->clear();
}

void TimePlot::setKeyAxis(const QString& label, AxisFormat format)
{
    m_parts->keyLabel = label;
    m_parts->keyFormat = format;
    for (const Parts::PanelParts& part : m_parts->panels) {
        part.rect->axis(QCPAxis::atBottom)->setTicker(makeTicker(format, false, kKeyTicks));
    }
    m_parts->panels.back().rect->axis(QCPAxis::atBottom)->setLabel(label);
    hideCursor();
}

void TimePlot::setLogarithmic(int panel, bool logarithmic)
{
    Parts::PanelParts& part = m_parts->panels[static_cast<std::size_t>(panel)];
    part.logarithmic = logarithmic;
    QCPAxis* axis = part.rect->axis(QCPAxis::atLeft);
    axis->setScaleType(logarithmic ? QCPAxis::stLogarithmic : QCPAxis::stLinear);
    axis->setTicker(makeTicker(part.panel.format, logarithmic, tickCountOf(part.panel)));
    refresh();
}

void TimePlot::setHint(const QString& hint)
{
    if (m_parts->hint == nullptr) {
        m_parts->hint = new QCPItemText(m_plot);
        m_parts->hint->position->setType(QCPItemPosition::ptAxisRectRatio);
        m_parts->hint->position->setAxisRect(m_parts->panels.front().rect);
        m_parts->hint->position->setCoords(0.5, 0.5);
        applyTheme();
    }
    m_parts->hint->setText(hint);
}

void TimePlot::fit()
{
    if (!m_fitted) {
        m_fitted = true;
        Q_EMIT fittedChanged(true);
    }
    refresh();
}

void TimePlot::refresh()
{
    if (m_parts->redrawPending) {
        return;
    }
    m_parts->redrawPending = true;
    QMetaObject::invokeMethod(
        this,
        [this] {
            m_parts->redrawPending = false;
            if (m_fitted) {
                fitKeys();
            }
            fitValues();
            showReadouts();
            // Joints of a dense line cost most of a redraw and are not seen.
            const bool dense = std::any_of(m_parts->series.begin(), m_parts->series.end(),
                                           [](const Parts::SeriesParts& part) {
                                               return part.graph->dataCount() > kDensePoints;
                                           });
            m_plot->setPlottingHint(QCP::phFastPolylines, dense);
            if (m_parts->hint != nullptr) {
                m_parts->hint->setVisible(!m_parts->allKeys());
            }
            m_plot->replot(QCustomPlot::rpQueuedReplot);
        },
        Qt::QueuedConnection);
}

void TimePlot::fitKeys()
{
    const auto [first, last] = m_parts->allKeys().value_or(Parts::Range(0.0, 1.0));
    const double size = last > first ? last - first : 1.0;
    for (const Parts::PanelParts& part : m_parts->panels) {
        part.rect->axis(QCPAxis::atBottom)->setRange(first - 0.01 * size, last + 0.02 * size);
    }
}

void TimePlot::fitValues()
{
    const auto [lower, upper] = m_parts->keys();
    for (std::size_t i = 0; i < m_parts->panels.size(); ++i) {
        const Parts::PanelParts& panel = m_parts->panels[i];
        std::optional<QCPRange> range;
        for (const Parts::SeriesParts& part : m_parts->series) {
            bool found = false;
            const auto sign = panel.logarithmic ? QCP::sdPositive : QCP::sdBoth;
            const QCPRange values = part.graph->getValueRange(found, sign, QCPRange(lower, upper));
            if (found && part.series.panel == static_cast<int>(i)) {
                range = range ? range->expanded(values) : values;
            }
        }
        QCPAxis* axis = panel.rect->axis(QCPAxis::atLeft);
        // A panel without points has nothing to label.
        axis->setTickLabels(range.has_value());
        axis->setTicks(range.has_value());
        if (!range) {
            continue;
        }
        if (panel.logarithmic) {
            axis->setRange(range->lower / 1.1, range->upper * 1.1);
            continue;
        }
        if (panel.panel.fromZero) {
            range->lower = 0.0;
        }
        const double size =
            range->size() > 0.0 ? range->size() : std::max(1e-9, std::abs(range->upper) * 0.2);
        const double below = panel.panel.fromZero ? 0.0 : kMargin * size;
        axis->setRange(range->lower - below, range->upper + 2 * kMargin * size);
    }
}

bool TimePlot::savePng(const QString& file)
{
    return m_plot->savePng(file, 0, 0, 2.0);
}

bool TimePlot::saveSvg(const QString& file)
{
    QSvgGenerator generator;
    generator.setFileName(file);
    generator.setSize(m_plot->size());
    generator.setViewBox(m_plot->rect());
    QCPPainter painter;
    if (!painter.begin(&generator)) {
        return false;
    }
    painter.setMode(QCPPainter::pmVectorized);
    m_plot->toPainter(&painter, m_plot->width(), m_plot->height());
    return painter.end();
}

} // namespace longlora::ui
