// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/plots/time_plot.h"
#include "ui/run/run_record.h"

#include <QWidget>

#include <string>

namespace longlora::ui {

enum class RunAxis { Step, Tokens, Time };

/// The curves of one run: loss (raw, smoothed, held out), memory against plan, tokens/s and
/// learning rate, on one axis.
class RunPlots : public QWidget {
    Q_OBJECT

public:
    explicit RunPlots(QWidget* parent = nullptr);

    /// Draws what is new since the last call; all of it if it is another run.
    void show(const RunRecord& record);
    /// Forgets the run shown.
    void clear();
    void setAxis(RunAxis axis, const RunRecord& record);
    /// In [0, 1): the weight of the past in the smoothed loss.
    void setSmoothing(double weight, const RunRecord& record);
    void setLogarithmicLoss(bool logarithmic);
    TimePlot& plot() { return *m_plot; }

private:
    void redraw(const RunRecord& record);
    void appendSteps(const RunRecord& record);
    void appendHeldOut(const RunRecord& record);
    void drawPlannedPeak(const RunRecord& record);

    TimePlot* m_plot;
    RunAxis m_axis = RunAxis::Step;
    double m_smoothing = 0.8;
    double m_average = 0.0; ///< running, not yet corrected for its start
    double m_weight = 0.0;
    std::size_t m_steps = 0;
    std::size_t m_heldOut = 0;

    int m_lossPanel;
    int m_rawLoss, m_smoothLoss, m_heldOutLoss, m_memory, m_plannedPeak, m_rate, m_learningRate;
};

/// The run's steps as comma-separated values with a header line; held-out losses in a column of
/// their own.
std::string runToCsv(const RunRecord& record);

} // namespace longlora::ui
