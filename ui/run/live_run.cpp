// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/live_run.h"

namespace longlora::ui {

LiveRun::LiveRun(TrainingService& service, QObject* parent)
    : QObject(parent)
    , m_service(service)
    , m_pump(m_model)
{
    m_watch.setInterval(EventPump::kQueueInterval);
    connect(&m_watch, &QTimer::timeout, this, &LiveRun::look);
}

void LiveRun::start(const RunConfig& config, const std::filesystem::path& folder)
{
    m_config = config;
    m_folder = folder;
    m_model.reset();
    m_service.start(config, folder);
    m_running = true;
    m_pump.follow(m_service.events());
    m_watch.start();
    Q_EMIT started();
}

void LiveRun::request(ControlRequest request)
{
    m_service.request(request);
}

void LiveRun::look()
{
    if (m_service.isRunning()) {
        return;
    }
    m_watch.stop();
    // What was said between the last tick and the end of the thread.
    m_pump.pump();
    m_pump.stop();
    m_running = false;
    Q_EMIT ended();
}

} // namespace longlora::ui
