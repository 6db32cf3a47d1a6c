// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/background_job.h"
#include "ui/run/run_model.h"

#include <QWidget>

class QCheckBox;
class QComboBox;
class QSlider;

namespace longlora::ui {

class RunPlots;

/// The line of controls above the curves: axis, smoothing, logarithm, fit, export.
class PlotTools : public QWidget {
    Q_OBJECT

public:
    /// `plots` outlives this.
    explicit PlotTools(RunPlots& plots, QWidget* parent = nullptr);
    /// The run that the curves show.
    void setModel(const RunModel& model) { m_model = &model; }
    /// Curves as .svg, figures as .csv (in the background), else curves as PNG.
    void exportTo(const QString& file);

Q_SIGNALS:
    void notice(const QString& text);
    void exportFailed(const QString& why);

private:
    const RunRecord& record() const;
    void chooseExport();

    RunPlots& m_plots;
    const RunModel* m_model = nullptr;
    QComboBox* m_axis;
    QSlider* m_smoothing;
    QCheckBox* m_logarithmic;
    BackgroundJob m_job;
};

} // namespace longlora::ui
