// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/dry_run_panel.h"

#include "ui/config/run_draft.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/error_banner.h"

#include <QGridLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

QString nameOf(DryRunFigure::Kind kind)
{
    switch (kind) {
    case DryRunFigure::Kind::PeakMemory:
        return DryRunPanel::tr("Peak memory");
    case DryRunFigure::Kind::StepTime:
        return DryRunPanel::tr("Step");
    case DryRunFigure::Kind::CheckpointSize:
        return DryRunPanel::tr("Checkpoint");
    case DryRunFigure::Kind::CheckpointTime:
        break;
    }
    return DryRunPanel::tr("Writing it");
}

QString valueText(const DryRunFigure& figure, double value)
{
    return value <= 0.0       ? DryRunPanel::tr("not foretold")
           : figure.isBytes() ? bytesText(value)
                              : durationText(value);
}

/// "163 MiB (8 % less)".
QString measuredText(const DryRunFigure& figure)
{
    const QString value = valueText(figure, figure.measured);
    if (figure.predicted <= 0.0) {
        return value;
    }
    return figure.excess() > 0.0
               ? DryRunPanel::tr("%1 (%2 more)").arg(value, percentText(figure.excess()))
               : DryRunPanel::tr("%1 (%2 less)").arg(value, percentText(-figure.excess()));
}

} // namespace

DryRunPanel::DryRunPanel(RunDraft& draft, DryRunService& service, QWidget* parent)
    : QGroupBox(tr("Dry run"), parent)
    , m_draft(draft)
    , m_service(service)
    , m_button(named(new QPushButton(this), "configureDryRun", tr("Dry run")))
    , m_status(named(new QLabel(this), "configureDryRunStatus", tr("About the dry run")))
    , m_table(new QWidget(this))
    , m_problem(new ErrorBanner("configureDryRunProblem", this))
{
    m_button->setToolTip(
        tr("Trains two steps and writes a checkpoint, keeps nothing, and measures"));
    m_status->setWordWrap(true);
    setFaint(m_status);
    auto* grid = new QGridLayout(m_table);
    grid->setContentsMargins(0, 0, 0, 0);
    makeTable(*grid);
    m_table->hide();
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(m_button);
    layout->addWidget(m_status);
    layout->addWidget(m_problem);
    layout->addWidget(m_table);
    connect(m_button, &QPushButton::clicked, this, [this] {
        if (!m_job.isRunning()) {
            begin();
            return;
        }
        m_cancelled = true;
        showDraft();
    });
    connect(&m_job, &BackgroundJob::progressed, this, [this](const Progress& progress) {
        m_status->setText(
            tr("Steps done: %1 of %2").arg(countText(progress.done), countText(progress.total)));
    });
    connect(&m_job, &BackgroundJob::failed, this, [this](const QString& why, const QString& hint) {
        m_problem->show({tr("The dry run failed"), why, hint, {}});
    });
    connect(&m_job, &BackgroundJob::finished, this, &DryRunPanel::ended);
    connect(&draft, &RunDraft::changed, this, &DryRunPanel::showDraft);
    showDraft();
}

void DryRunPanel::makeTable(QGridLayout& grid)
{
    grid.addWidget(new QLabel(tr("Predicted"), m_table), 0, 1);
    grid.addWidget(new QLabel(tr("Measured"), m_table), 0, 2);
    static constexpr const char* kPredicted[kFigures] = {
        "configureDryRunPredicted0", "configureDryRunPredicted1", "configureDryRunPredicted2",
        "configureDryRunPredicted3"};
    static constexpr const char* kMeasured[kFigures] = {
        "configureDryRunMeasured0", "configureDryRunMeasured1", "configureDryRunMeasured2",
        "configureDryRunMeasured3"};
    for (int row = 0; row < kFigures; ++row) {
        const QString name = nameOf(static_cast<DryRunFigure::Kind>(row));
        m_predicted[row] =
            named(new QLabel(m_table), kPredicted[row], tr("%1, predicted").arg(name));
        m_measured[row] = named(new QLabel(m_table), kMeasured[row], tr("%1, measured").arg(name));
        grid.addWidget(new QLabel(name, m_table), row + 1, 0);
        grid.addWidget(m_predicted[row], row + 1, 1);
        grid.addWidget(m_measured[row], row + 1, 2);
    }
    grid.setColumnStretch(2, 1);
    grid.setHorizontalSpacing(16);
    grid.setVerticalSpacing(3);
}

void DryRunPanel::setPossible(bool possible)
{
    m_possible = possible;
    showDraft();
}

void DryRunPanel::begin()
{
    m_problem->clear();
    m_table->hide();
    m_tried = m_draft.config();
    m_cancelled = false;
    m_job.run(
        [this, config = m_tried](const ProgressCallback& progress) {
            return m_service.run(config, [&](const Progress& done) {
                return progress(done) && !m_cancelled.load();
            });
        },
        [this](const std::vector<DryRunFigure>& figures) { showFigures(figures); });
    showDraft();
    Q_EMIT runningChanged();
}

void DryRunPanel::ended()
{
    showDraft();
    Q_EMIT runningChanged();
}

void DryRunPanel::showFigures(const std::vector<DryRunFigure>& figures)
{
    for (const DryRunFigure& figure : figures) {
        const int row = static_cast<int>(figure.kind);
        m_predicted[row]->setText(valueText(figure, figure.predicted));
        m_measured[row]->setText(measuredText(figure));
    }
    m_table->show();
}

void DryRunPanel::showDraft()
{
    const bool running = m_job.isRunning();
    m_button->setText(running ? tr("Cancel the dry run") : tr("&Dry run"));
    m_button->setEnabled(running ? !m_cancelled : m_possible);
    const bool isOld = !m_table->isHidden() && !(m_tried == m_draft.config());
    m_status->setText(running ? m_cancelled
                                    ? tr("Cancelled: it ends with its present step.")
                                    : tr("Two steps and a checkpoint write; a step is always "
                                         "finished.")
                      : isOld ? tr("Measured before the last changes.")
                              : tr("Two steps and a checkpoint write beside the plan."));
}

} // namespace longlora::ui
