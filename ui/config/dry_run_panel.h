// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/dry_run.h"
#include "ui/background_job.h"

#include <QGroupBox>

#include <atomic>
#include <vector>

class QGridLayout;
class QLabel;
class QPushButton;

namespace longlora::ui {

class ErrorBanner;
class RunDraft;

/// Two steps and a checkpoint write, tried out; what the plan said beside what was measured.
class DryRunPanel : public QGroupBox {
    Q_OBJECT

public:
    /// `draft` and `service` outlive it.
    DryRunPanel(RunDraft& draft, DryRunService& service, QWidget* parent = nullptr);

    bool isRunning() const { return m_job.isRunning(); }
    /// Whether the run could be started now.
    void setPossible(bool possible);

Q_SIGNALS:
    /// One has begun or ended.
    void runningChanged();

private:
    void makeTable(QGridLayout& grid);
    void begin();
    void ended();
    void showDraft();
    void showFigures(const std::vector<DryRunFigure>& figures);

    static constexpr int kFigures = 4;

    RunDraft& m_draft;
    DryRunService& m_service;
    std::atomic<bool> m_cancelled{false}; ///< asked for; the job runs on until its step is done
    BackgroundJob m_job;
    RunConfig m_tried; ///< what the figures are of
    bool m_possible = false;
    QPushButton* m_button;
    QLabel* m_status;
    QWidget* m_table;
    QLabel* m_predicted[kFigures] = {};
    QLabel* m_measured[kFigures] = {};
    ErrorBanner* m_problem;
};

} // namespace longlora::ui
