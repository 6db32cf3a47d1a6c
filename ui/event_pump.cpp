// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/event_pump.h"

#include "ui/run/run_model.h"

namespace longlora::ui {

EventPump::EventPump(RunModel& model, QObject* parent)
    : QObject(parent)
    , m_model(model)
{
    connect(&m_timer, &QTimer::timeout, this, &EventPump::pump);
}

void EventPump::follow(EventSource& source, std::chrono::milliseconds interval)
{
    m_source = &source;
    m_timer.start(interval);
}

void EventPump::stop()
{
    m_timer.stop();
    m_source = nullptr;
}

void EventPump::pump()
{
    if (m_source == nullptr) {
        return;
    }
    m_model.apply(m_source->drain());
}

} // namespace longlora::ui
