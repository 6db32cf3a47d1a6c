// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/in_process_training.h"

#include "core/engine/train/training_run.h"
#include "core/spec/base/error.h"
#include "core/spec/events/event_queue.h"

#include <sys/resource.h>

#include <atomic>
#include <thread>

namespace longlora::app {

namespace {

/// The window must stay fluent while every processor computes. Threads that this one starts inherit
/// its priority.
void lowerPriority()
{
    constexpr int kNice = 5;
    ::setpriority(PRIO_PROCESS, 0, kNice);
}

/// A run that could not even begin ends as any other does: by an event.
void postFailure(EventSink& sink, const RunConfig& config, const std::exception& problem)
{
    const auto* error = dynamic_cast<const Error*>(&problem);
    RunFinished finished;
    finished.outcome = RunOutcome::Failed;
    finished.message = problem.what();
    finished.hint = error != nullptr ? error->hint() : std::string();
    finished.exitStatus =
        static_cast<int>(error != nullptr ? error->exitStatus() : ExitStatus::Bug);
    EventWriter events(sink, config.runName);
    events.write(StateChanged{RunState::Finished, {}});
    events.write(std::move(finished));
}

class InProcessTraining : public TrainingService {
public:
    ~InProcessTraining() override { stopAndWait(); }

    void start(const RunConfig& config, const std::filesystem::path& runFolder) override
    {
        stopAndWait();
        m_queue.drain();
        m_control = std::make_unique<RunControl>();
        m_running = true;
        m_worker = std::jthread([this, config, runFolder, control = m_control.get()] {
            lowerPriority();
            run(config, runFolder, *control);
            m_running = false;
        });
    }

    void request(ControlRequest request) override
    {
        if (m_control) {
            m_control->request(request);
        }
    }

    bool isRunning() const override { return m_running; }
    EventSource& events() override { return m_queue; }

    void stopAndWait() override
    {
        request(ControlRequest::Stop);
        if (m_worker.joinable()) {
            m_worker.join();
        }
    }

private:
    void run(const RunConfig& config, const std::filesystem::path& folder, RunControl& control)
    {
        try {
            const RunDirectory directory = RunDirectory::create(folder);
            directory.writeConfig(config);
            runTraining(config, directory, {}, m_queue, control);
        } catch (const std::exception& problem) {
            postFailure(m_queue, config, problem);
        }
    }

    EventQueue m_queue;
    std::unique_ptr<RunControl> m_control; ///< of the run started last
    std::atomic<bool> m_running{false};
    std::jthread m_worker;
};

} // namespace

std::unique_ptr<TrainingService> makeInProcessTraining()
{
    return std::make_unique<InProcessTraining>();
}

} // namespace longlora::app
