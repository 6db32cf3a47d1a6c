// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/background_job.h"

#include "core/spec/base/error.h"
#include "ui/text_format.h"

#include <chrono>

namespace longlora::ui {

BackgroundJob::BackgroundJob(QObject* parent)
    : QObject(parent)
{
    m_thread.setMaxThreadCount(1);
}

BackgroundJob::~BackgroundJob()
{
    ++m_generation;
    m_thread.clear();
    m_thread.waitForDone();
}

void BackgroundJob::start(std::function<Deliver(const ProgressCallback&)> work)
{
    const std::uint64_t generation = ++m_generation;
    m_running = true;
    // Work that has not begun would only be thrown away.
    m_thread.clear();
    m_thread.start([this, generation, work = std::move(work)] { execute(generation, work); });
}

void BackgroundJob::cancel()
{
    if (!m_running) {
        return;
    }
    ++m_generation;
    m_running = false;
    Q_EMIT cancelled();
    Q_EMIT finished();
}

void BackgroundJob::execute(std::uint64_t generation,
                            const std::function<Deliver(const ProgressCallback&)>& work)
{
    using Clock = std::chrono::steady_clock;
    Clock::time_point lastReport{};
    const ProgressCallback report = [&, this](const Progress& progress) {
        const auto now = Clock::now();
        const bool due = now - lastReport > std::chrono::milliseconds(33);
        if (due || progress.done == progress.total) {
            lastReport = now;
            deliver(generation, [this, progress] { Q_EMIT progressed(progress); });
        }
        return m_generation.load() == generation;
    };
    const auto end = [&, this](Deliver last) {
        deliver(generation, [this, last = std::move(last)] {
            m_running = false;
            last();
            // done() may have started the next piece of work.
            if (!m_running) {
                Q_EMIT finished();
            }
        });
    };
    try {
        end(work(report));
    } catch (const Cancelled&) {
        end([this] { Q_EMIT cancelled(); });
    } catch (const Error& error) {
        const QString message = toQString(error.what());
        const QString hint = toQString(error.hint());
        end([this, message, hint] { Q_EMIT failed(message, hint); });
    } catch (const std::exception& error) {
        const QString message = toQString(error.what());
        end([this, message] { Q_EMIT failed(message, {}); });
    }
}

void BackgroundJob::deliver(std::uint64_t generation, Deliver deliver)
{
    QMetaObject::invokeMethod(
        this,
        [this, generation, deliver = std::move(deliver)] {
            if (m_generation.load() == generation) {
                deliver();
            }
        },
        Qt::QueuedConnection);
}

} // namespace longlora::ui
