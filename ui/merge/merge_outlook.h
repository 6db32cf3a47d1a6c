// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"
#include "ui/background_job.h"

#include <QGroupBox>

#include <filesystem>

class QLabel;

namespace longlora::ui {

/// What a merge will need and do, before it starts: space and memory against what is free, whether
/// the adapter is of this base, what is written. Reads headers off the window's thread.
class MergeOutlook : public QGroupBox {
    Q_OBJECT

public:
    /// `service` outlives this.
    explicit MergeOutlook(MergeService& service, QWidget* parent = nullptr);

    /// Looks at this request; a newer one replaces it.
    void examine(const MergeRequest& request);
    /// There is no request yet, for want of this.
    void wait(const QString& missing);
    /// This output is of the merge that has just ended: that it exists is no surprise.
    void setWritten(const std::filesystem::path& output) { m_written = output; }
    /// Whether something is known that would make the merge fail.
    bool isHopeless() const { return m_hopeless; }

Q_SIGNALS:
    /// The request was examined.
    void examined(const longlora::MergePreview& preview);
    /// It was, or it cannot be merged.
    void settled();

private:
    QLabel* addFact(const char* objectName, const QString& title);
    void showPreview(const MergeRequest& request, const MergePreview& preview);
    void showProblem(const QString& problem);
    void setFact(QLabel& label, const QString& text, bool isObstacle);
    void clearFacts();

    MergeService& m_service;
    QLabel* m_writes;
    QLabel* m_space;
    QLabel* m_memory;
    QLabel* m_fingerprint;
    QLabel* m_adapter;
    QLabel* m_problem;
    bool m_hopeless = false;
    std::filesystem::path m_written;
    BackgroundJob m_job;
};

} // namespace longlora::ui
