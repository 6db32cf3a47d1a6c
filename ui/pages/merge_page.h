// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"
#include "ui/background_job.h"

#include <QWidget>

class QCheckBox;
class QComboBox;
class QLabel;
class QProgressBar;
class QPushButton;
class QTableView;

namespace longlora::ui {

class ErrorBanner;
class MergeProofModel;
class PathEdit;

/// Base + adapter -> a model of its own, and the proof that it is the same one.
class MergePage : public QWidget {
    Q_OBJECT

public:
    /// `service` outlives this.
    explicit MergePage(MergeService& service, QWidget* parent = nullptr);

    /// Fills the form; an empty path leaves what is there. The output is proposed beside the
    /// adapter.
    void setPaths(const QString& base, const QString& adapter);
    bool isRunning() const { return m_job.isRunning(); }

Q_SIGNALS:
    void chatRequested(const QString& modelFolder);
    void merged(const QString& modelFolder);

private:
    QWidget* makeForm();
    QWidget* makeResult();
    void start();
    void showReport(const MergeReport& report);
    void updateControls();

    MergeService& m_service;
    PathEdit* m_base;
    PathEdit* m_adapter;
    PathEdit* m_output;
    QComboBox* m_dtype;
    QCheckBox* m_verify;
    QPushButton* m_start;
    QPushButton* m_cancel;
    QPushButton* m_chat;
    QProgressBar* m_progress;
    ErrorBanner* m_banner;
    QLabel* m_verdict;
    QLabel* m_explanation;
    QTableView* m_proof;
    MergeProofModel* m_proofModel;
    QString m_mergedFolder;
    BackgroundJob m_job;
};

} // namespace longlora::ui
