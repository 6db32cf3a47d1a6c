// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"
#include "ui/background_job.h"
#include "ui/merge/progress_estimate.h"

#include <QElapsedTimer>
#include <QWidget>

class QLabel;
class QProgressBar;
class QPushButton;
class QScrollArea;

namespace longlora::ui {

class ErrorBanner;
class MergeForm;
class MergeOutlook;
class MergeResult;
class ModelShelf;

/// Base + adapter -> a model of its own, and the proof that it is the same one.
class MergePage : public QWidget {
    Q_OBJECT

public:
    /// `service` and `shelf` outlive this.
    MergePage(MergeService& service, ModelShelf& shelf, QWidget* parent = nullptr);

    /// Fills the form; an empty path leaves what is there. The output is proposed beside the
    /// adapter.
    void setPaths(const QString& base, const QString& adapter);
    /// Empties base and adapter.
    void clear();
    /// Fills in a run's adapter and its base.
    void openRun(const std::filesystem::path& folder);
    bool isRunning() const { return m_job.isRunning(); }

Q_SIGNALS:
    void chatRequested(const QString& modelFolder);
    void merged(const QString& modelFolder);
    /// The user chose a file for the base, which is no model folder yet.
    void openRequested(const QString& file);
    /// For the status line.
    void notice(const QString& text);

private:
    QWidget* makeActions();
    void examine();
    void start();
    void showProgress(const Progress& progress);
    void copyCommand();
    void updateControls();

    MergeService& m_service;
    ErrorBanner* m_banner;
    QScrollArea* m_scroll;
    MergeForm* m_form;
    MergeOutlook* m_outlook;
    MergeResult* m_result;
    QPushButton* m_start;
    QPushButton* m_cancel;
    QPushButton* m_copy;
    QProgressBar* m_progress;
    QLabel* m_status;
    QElapsedTimer m_clock;
    ProgressEstimate m_estimate;
    BackgroundJob m_job;
};

} // namespace longlora::ui
