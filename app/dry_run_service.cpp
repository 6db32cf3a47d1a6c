// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/dry_run_service.h"

#include "app/device_service.h"
#include "core/engine/train/training_run.h"
#include "core/spec/run/run_list.h"

#include <sys/resource.h>

#include <exception>

namespace longlora::app {

namespace {

namespace fs = std::filesystem;

constexpr int kNice = 5; // the window must stay fluent

/// Reports each step, and asks the run to stop when nobody waits for it any more.
class ProgressSink : public EventSink {
public:
    ProgressSink(const ProgressCallback& progress, RunControl& control)
        : m_progress(progress)
        , m_control(control)
    {}
    void post(const Event& event) noexcept override
    {
        if (const auto* step = std::get_if<StepDone>(&event.body)) {
            m_step = step->step;
        }
        try {
            if (!m_progress({"dry run", m_step, 2, "steps"})) {
                m_control.request(ControlRequest::Stop);
            }
        } catch (...) {
            m_control.request(ControlRequest::Stop);
        }
    }

private:
    const ProgressCallback& m_progress;
    RunControl& m_control;
    std::int64_t m_step = 0;
};

/// A run's folder that goes when this goes.
struct ScratchFolder {
    fs::path path;
    ~ScratchFolder()
    {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

class EngineDryRun : public DryRunService {
public:
    std::vector<DryRunFigure> run(const RunConfig& config,
                                  const ProgressCallback& progress) override
    {
        ::setpriority(PRIO_PROCESS, 0, kNice);
        DryRunRecord record(forecastHere(config), config);
        RunControl control;
        ProgressSink told(progress, control);
        DryRunSink sink(record, told);
        const ScratchFolder scratch{newRunFolder(fs::temp_directory_path(), "longlora-dry-run")};
        const RunDirectory directory = RunDirectory::create(scratch.path);
        directory.writeConfig(config);
        const TrainingResult result =
            runTraining(config, directory, {.initialAdapter = {}, .dryRun = true}, sink, control);
        if (result.failure) {
            std::rethrow_exception(result.failure);
        }
        if (control.stopRequested()) {
            throw Cancelled{};
        }
        return record.figures();
    }
};

} // namespace

MemoryPlan forecastHere(const RunConfig& config)
{
    return planMemory(readModelConfig(config.model), config, profileHere(config.devices.kind));
}

std::unique_ptr<DryRunService> makeDryRunService()
{
    return std::make_unique<EngineDryRun>();
}

} // namespace longlora::app
