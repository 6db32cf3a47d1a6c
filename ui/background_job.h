// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"

#include <QObject>
#include <QThreadPool>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace longlora::ui {

/// Runs one piece of work at a time off the window's thread. Starting another, or cancel(), makes
/// the previous one stale: its progress callback answers false and its result is dropped.
/// Threading: use from the window's thread; the work itself must touch no QObject.
class BackgroundJob : public QObject {
    Q_OBJECT

public:
    explicit BackgroundJob(QObject* parent = nullptr);
    /// Cancels and waits for the work to notice.
    ~BackgroundJob() override;

    /// `work(progress)` runs in the background and returns a value; `done(value)` gets it in the
    /// window's thread. Exceptions of the project arrive as failed(), Cancelled as cancelled().
    template <class Work, class Done>
    void run(Work work, Done done)
    {
        start([work = std::move(work), done = std::move(done)](const ProgressCallback& progress) {
            auto result = std::make_shared<decltype(work(progress))>(work(progress));
            return [result, done] { done(std::move(*result)); };
        });
    }
    void cancel();
    bool isRunning() const { return m_running; }

Q_SIGNALS:
    /// At most about 30 times a second.
    void progressed(const longlora::Progress& progress);
    void failed(const QString& message, const QString& hint);
    void cancelled();
    /// After the newest work's done(), failed() or cancelled().
    void finished();

private:
    using Deliver = std::function<void()>;
    void start(std::function<Deliver(const ProgressCallback&)> work);
    void execute(std::uint64_t generation,
                 const std::function<Deliver(const ProgressCallback&)>& work);
    void deliver(std::uint64_t generation, Deliver deliver);

    QThreadPool m_thread;
    std::atomic<std::uint64_t> m_generation{0};
    bool m_running = false;
};

} // namespace longlora::ui
