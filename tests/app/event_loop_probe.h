// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QTimer>

#include <algorithm>
#include <ctime>

namespace longlora::test {

/// How long this thread's event loop is away from its events: by the clock, and in work of the
/// thread itself, which a busy machine does not lengthen.
class EventLoopProbe {
public:
    EventLoopProbe()
    {
        QObject::connect(&m_timer, &QTimer::timeout, [this] { look(); });
        m_timer.setTimerType(Qt::PreciseTimer);
        m_timer.start(kIntervalMs);
    }

    double longestWallSeconds() const { return m_longestWall; }
    double longestWorkSeconds() const { return m_longestWork; }

private:
    static constexpr int kIntervalMs = 5;

    static double now(clockid_t clock)
    {
        timespec time{};
        ::clock_gettime(clock, &time);
        return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    }

    void look()
    {
        const double wall = now(CLOCK_MONOTONIC);
        const double work = now(CLOCK_THREAD_CPUTIME_ID);
        if (m_wall > 0.0) {
            m_longestWall = std::max(m_longestWall, wall - m_wall);
            m_longestWork = std::max(m_longestWork, work - m_work);
        }
        m_wall = wall;
        m_work = work;
    }

    QTimer m_timer;
    double m_wall = 0.0;
    double m_work = 0.0;
    double m_longestWall = 0.0;
    double m_longestWork = 0.0;
};

} // namespace longlora::test
