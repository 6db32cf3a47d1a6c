// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/plots/run_plots.h"

#include "ui/plots/plot_theme.h"

#include <QVBoxLayout>

#include <cmath>
#include <limits>
#include <map>
#include <sstream>

namespace longlora::ui {

namespace {

template <class Columns>
std::span<const double> keysOf(const Columns& columns, RunAxis axis)
{
    switch (axis) {
    case RunAxis::Step:
        return columns.step;
    case RunAxis::Tokens:
        return columns.tokens;
    case RunAxis::Time:
        return columns.seconds;
    }
    return {};
}

} // namespace

RunPlots::RunPlots(QWidget* parent)
    : QWidget(parent)
    , m_plot(new TimePlot(this))
{
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);

    using Line = TimePlot::Line;
    m_lossPanel = m_plot->addPanel({tr("Loss (nats per token)"), AxisFormat::Number, 5});
    const int memory = m_plot->addPanel({tr("Memory"), AxisFormat::Bytes, 3, true});
    const int rate = m_plot->addPanel({tr("Tokens/s"), AxisFormat::Number, 2, true});
    const int schedule = m_plot->addPanel({tr("Learning rate"), AxisFormat::Number, 2, true});
    m_rawLoss = m_plot->addSeries({m_lossPanel, tr("raw"), PlotTheme::Blue, Line::Faint});
    m_smoothLoss = m_plot->addSeries({m_lossPanel, tr("smoothed"), PlotTheme::Blue, Line::Strong});
    m_heldOutLoss =
        m_plot->addSeries({m_lossPanel, tr("held out"), PlotTheme::Orange, Line::Points});
    m_memory = m_plot->addSeries({memory, tr("in use"), PlotTheme::Green, Line::Strong});
    m_plannedPeak =
        m_plot->addSeries({memory, tr("planned peak"), PlotTheme::Purple, Line::Dashed});
    m_rate = m_plot->addSeries({rate, {}, PlotTheme::SkyBlue, Line::Strong});
    m_learningRate = m_plot->addSeries({schedule, {}, PlotTheme::Grey, Line::Strong});
    m_plot->setKeyAxis(tr("step"), AxisFormat::Number);
    m_plot->setHint(tr("The curves begin with the first step"));
}

void RunPlots::show(const RunRecord& record)
{
    if (record.steps.size() < m_steps || record.heldOut.size() < m_heldOut) {
        redraw(record);
        return;
    }
    appendSteps(record);
    appendHeldOut(record);
    drawPlannedPeak(record);
    m_plot->refresh();
}

void RunPlots::clear()
{
    for (const int series : {m_rawLoss, m_smoothLoss, m_heldOutLoss, m_memory, m_plannedPeak,
                             m_rate, m_learningRate}) {
        m_plot->clearSeries(series);
    }
    m_steps = m_heldOut = 0;
    m_average = m_weight = 0.0;
    m_plot->refresh();
}

void RunPlots::redraw(const RunRecord& record)
{
    clear();
    show(record);
}

void RunPlots::setAxis(RunAxis axis, const RunRecord& record)
{
    m_axis = axis;
    switch (axis) {
    case RunAxis::Step:
        m_plot->setKeyAxis(tr("step"), AxisFormat::Number);
        break;
    case RunAxis::Tokens:
        m_plot->setKeyAxis(tr("tokens"), AxisFormat::Number);
        break;
    case RunAxis::Time:
        m_plot->setKeyAxis(tr("time"), AxisFormat::Duration);
        break;
    }
    redraw(record);
    m_plot->fit();
}

void RunPlots::setSmoothing(double weight, const RunRecord& record)
{
    m_smoothing = weight;
    redraw(record);
}

void RunPlots::setLogarithmicLoss(bool logarithmic)
{
    m_plot->setLogarithmic(m_lossPanel, logarithmic);
}

void RunPlots::appendSteps(const RunRecord& record)
{
    const StepColumns& steps = record.steps;
    const auto keys = keysOf(steps, m_axis).subspan(m_steps);
    const auto fresh = [this](const std::vector<double>& column) {
        return std::span(column).subspan(m_steps);
    };
    std::vector<double> smooth;
    smooth.reserve(keys.size());
    for (const double loss : fresh(steps.loss)) {
        if (std::isfinite(loss)) {
            // The correction makes the first values means of what there is, not of zeros.
            m_average = m_smoothing * m_average + (1.0 - m_smoothing) * loss;
            m_weight = m_smoothing * m_weight + (1.0 - m_smoothing);
        }
        smooth.push_back(m_weight > 0.0 ? m_average / m_weight : loss);
    }
    m_plot->append(m_rawLoss, keys, fresh(steps.loss));
    m_plot->append(m_smoothLoss, keys, smooth);
    m_plot->append(m_memory, keys, fresh(steps.memoryBytes));
    m_plot->append(m_rate, keys, fresh(steps.tokensPerSecond));
    m_plot->append(m_learningRate, keys, fresh(steps.learningRate));
    m_steps = steps.size();
}

void RunPlots::appendHeldOut(const RunRecord& record)
{
    m_plot->append(m_heldOutLoss, keysOf(record.heldOut, m_axis).subspan(m_heldOut),
                   std::span(record.heldOut.loss).subspan(m_heldOut));
    m_heldOut = record.heldOut.size();
}

void RunPlots::drawPlannedPeak(const RunRecord& record)
{
    m_plot->clearSeries(m_plannedPeak);
    if (!record.started || record.started->plannedPeakBytes <= 0.0 || m_steps == 0) {
        return;
    }
    const auto keys = keysOf(record.steps, m_axis);
    const std::vector<double> ends = {keys.front(), keys.back()};
    const std::vector<double> planned(2, record.started->plannedPeakBytes);
    m_plot->append(m_plannedPeak, ends, planned);
}

std::string runToCsv(const RunRecord& record)
{
    std::map<double, double> heldOut;
    for (std::size_t i = 0; i < record.heldOut.size(); ++i) {
        heldOut[record.heldOut.step[i]] = record.heldOut.loss[i];
    }
    std::ostringstream out;
    out.precision(std::numeric_limits<double>::max_digits10);
    out << "step,seconds,tokens,loss,held_out_loss,learning_rate,gradient_norm,"
           "tokens_per_second,memory_bytes\n";
    const StepColumns& steps = record.steps;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        out << steps.step[i] << ',' << steps.seconds[i] << ',' << steps.tokens[i] << ','
            << steps.loss[i] << ',';
        if (const auto found = heldOut.find(steps.step[i]); found != heldOut.end()) {
            out << found->second;
        }
        out << ',' << steps.learningRate[i] << ',' << steps.gradientNorm[i] << ','
            << steps.tokensPerSecond[i] << ',' << steps.memoryBytes[i] << '\n';
    }
    return out.str();
}

} // namespace longlora::ui
