// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"
#include "core/spec/events/event_file.h"
#include "core/spec/run/run_control.h"
#include "ui/background_job.h"
#include "ui/event_pump.h"
#include "ui/run/run_model.h"

#include <filesystem>
#include <memory>
#include <optional>

namespace longlora::ui {

/// A run seen through its folder: finished, crashed, or going on in another process. Its past is
/// read in the background, what is appended later is followed.
class RunViewer : public QObject {
    Q_OBJECT

public:
    explicit RunViewer(QObject* parent = nullptr);

    void open(const std::filesystem::path& folder);
    const std::filesystem::path& folder() const { return m_folder; }
    /// Of the run opened; empty while it is read, or if run.json cannot be.
    const std::optional<RunConfig>& config() const { return m_config; }
    /// Another process is running it.
    bool isRunning() const { return m_held && !m_model.record().isFinished(); }
    /// It neither said that it finished nor does a process run it.
    bool isInterrupted() const { return m_loaded && !m_held && !m_model.record().isFinished(); }
    bool isLoading() const { return m_job.isRunning(); }
    RunModel& model() { return m_model; }
    /// Asks the process that runs it. Throws: DataError.
    void request(ControlRequest request);

Q_SIGNALS:
    void opened();
    void failed(const QString& message, const QString& hint);

private:
    std::filesystem::path m_folder;
    std::optional<RunConfig> m_config;
    bool m_held = false;
    bool m_loaded = false;
    std::shared_ptr<EventFileSource> m_source;
    RunModel m_model;
    EventPump m_pump;
    BackgroundJob m_job;
};

} // namespace longlora::ui
