// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_sink.h"

#include <QTimer>

#include <chrono>

namespace longlora::ui {

class RunModel;

/// Carries events from a source into a RunModel, one batch per timer tick: what the window has to
/// do is bounded by the timer, not by how much happens.
class EventPump : public QObject {
    Q_OBJECT

public:
    /// Events of the program itself.
    static constexpr std::chrono::milliseconds kQueueInterval{33};
    /// Events of another process, read from its file.
    static constexpr std::chrono::milliseconds kFileInterval{250};

    /// `model` outlives this.
    explicit EventPump(RunModel& model, QObject* parent = nullptr);

    /// `source` must live until stop() or the next follow().
    void follow(EventSource& source, std::chrono::milliseconds interval = kQueueInterval);
    void stop();
    /// Drains once, now.
    void pump();

private:
    RunModel& m_model;
    EventSource* m_source = nullptr;
    QTimer m_timer;
};

} // namespace longlora::ui
