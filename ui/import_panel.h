// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/conversion_service.h"
#include "ui/background_job.h"

#include <QFrame>

class QLabel;
class QProgressBar;
class QPushButton;

namespace longlora::ui {

class ErrorBanner;
class PathEdit;

/// Offers to make a model folder of a GGUF file, and does it. Hidden until something is offered.
class ImportPanel : public QFrame {
    Q_OBJECT

public:
    /// `service` outlives this.
    explicit ImportPanel(ConversionService& service, QWidget* parent = nullptr);

    /// Replaces an earlier offer; while an import is under way nothing is offered and this is
    /// false.
    bool offer(const std::filesystem::path& file, const std::filesystem::path& output);
    bool isRunning() const { return m_job.isRunning(); }

Q_SIGNALS:
    void imported(const QString& modelFolder);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void layOut();
    void start();
    void cancel();
    void showProgress(const Progress& progress);
    void showState();

    ConversionService& m_service;
    ImportRequest m_request;
    QLabel* m_text;
    PathEdit* m_output;
    QProgressBar* m_progress;
    QPushButton* m_start;
    QPushButton* m_cancel;
    ErrorBanner* m_banner;
    BackgroundJob m_job;
};

} // namespace longlora::ui
