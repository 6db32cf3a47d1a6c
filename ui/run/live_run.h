// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"
#include "ui/event_pump.h"
#include "ui/run/run_model.h"

#include <QObject>

#include <filesystem>

namespace longlora::ui {

/// The run this program trains itself: starts it, asks it, and keeps what it says.
class LiveRun : public QObject {
    Q_OBJECT

public:
    /// `service` outlives this.
    explicit LiveRun(TrainingService& service, QObject* parent = nullptr);

    void start(const RunConfig& config, const std::filesystem::path& folder);
    void request(ControlRequest request);

    bool isRunning() const { return m_running; }
    /// Empty before the first start.
    const std::filesystem::path& folder() const { return m_folder; }
    const RunConfig& config() const { return m_config; }
    RunModel& model() { return m_model; }

Q_SIGNALS:
    void started();
    /// The run has ended and its thread is done.
    void ended();

private:
    void look();

    TrainingService& m_service;
    RunModel m_model;
    EventPump m_pump;
    QTimer m_watch;
    std::filesystem::path m_folder;
    RunConfig m_config;
    bool m_running = false;
};

} // namespace longlora::ui
