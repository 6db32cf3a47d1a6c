// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QFormLayout;
class QLabel;
class QListWidget;
class QPushButton;

namespace longlora {
class DryRunService;
} // namespace longlora

namespace longlora::ui {

class ConfigForm;
class RunDraft;
class DryRunPanel;

/// What the configuration means: how much is trained, what fits, how long, what is wrong; and the
/// two buttons that use it. `draft` and `form` outlive it.
class ConsequencesPanel : public QWidget {
    Q_OBJECT

public:
    /// `dryRun` null: none is offered; else it outlives this.
    ConsequencesPanel(RunDraft& draft, ConfigForm& form, DryRunService* dryRun,
                      QWidget* parent = nullptr);

    /// Why a run cannot be started now although the configuration is fine; empty: it can.
    void setObstacle(const QString& obstacle);

Q_SIGNALS:
    void startRequested();
    void copyRequested();

private:
    QWidget* makeFigures();
    QWidget* makeProblems();
    QWidget* makeButtons();
    void showDraft();
    void showFigures();
    void showProblems();

    RunDraft& m_draft;
    ConfigForm& m_form;
    QString m_obstacle;
    QLabel* m_trainable;
    QLabel* m_trainableParts;
    QLabel* m_largest;
    QLabel* m_stepTime;
    QLabel* m_tokensPerStep;
    QFormLayout* m_figures;
    QLabel* m_host;
    QLabel* m_disk;
    QPushButton* m_useLargest;
    QLabel* m_problemTitle;
    QListWidget* m_problems;
    QLabel* m_startNote;
    QPushButton* m_start;
    DryRunPanel* m_dryRun = nullptr;
};

} // namespace longlora::ui
