// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/training_run.h"

#include "core/engine/checkpoint/base_model.h"
#include "core/engine/tensor/memory_shortage.h"
#include "core/engine/tensor/place_profile.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/engine/train/run_artifacts.h"
#include "core/engine/train/run_environment.h"
#include "core/engine/train/trainer.h"
#include "core/engine/train/training_data.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/events/event_file.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/run/gpu_watch.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace longlora {

namespace {

using Clock = std::chrono::steady_clock;

/// How often a held run looks whether to go on.
constexpr std::chrono::milliseconds kHoldPoll{100};

std::string describeAttention(const RunConfig& config, std::int64_t length)
{
    if (config.attention.kind == AttentionKind::Full) {
        return "full";
    }
    const std::string edge = config.attention.edge == GroupEdge::Clipped ? "clipped" : "circular";
    return "S2, group " + formatCount(groupSize(config.attention, length)) + ", " + edge;
}

/// One run from its configuration to its last event.
class TrainingRun {
public:
    TrainingRun(const RunConfig& config, const RunDirectory& directory,
                const TrainingOptions& options, EventWriter& events, RunControl& control)
        : m_config(config)
        , m_directory(directory)
        , m_options(options)
        , m_events(events)
        , m_control(control)
    {}

    void run()
    {
        prepare();
        announce();
        loop();
        finish();
    }

    RunFinished summary() const
    {
        RunFinished finished = m_finished;
        finished.steps = static_cast<std::int64_t>(m_losses.size());
        finished.finalLoss = m_losses.empty() ? 0.0 : m_losses.back();
        finished.seconds = std::chrono::duration<double>(Clock::now() - m_start).count();
        finished.tokensPerSecond = m_stepSeconds > 0.0 ? m_tokens / m_stepSeconds : 0.0;
        finished.peakBytes = peakMemory(m_place.device);
        finished.plannedPeakBytes = m_plan.peakBytes;
        return finished;
    }
    std::vector<double> takeLosses() { return std::move(m_losses); }

private:
    void prepare();
    void announce();
    void loop();
    void finish();
    void say(RunState state, std::string detail)
    {
        m_events.write(StateChanged{state, std::move(detail)});
    }
    void holdWhileAsked();
    void takeControlFiles();
    /// What `work` returns; as long as memory does not suffice for it, it is done again more
    /// leanly.
    template <class Work>
    auto inMemory(const std::string& what, const Work& work)
    {
        for (;;) {
            std::exception_ptr failure;
            try {
                return work();
            } catch (...) {
                failure = std::current_exception();
            }
            goLeaner(what, failure);
        }
    }
    void goLeaner(const std::string& what, const std::exception_ptr& failure);
    void afterStep(const StepDone& done);
    void measureHeldOut();
    void writeCheckpoint();
    bool stopping()
    {
        takeControlFiles();
        return m_control.stopRequested();
    }

    const RunConfig& m_config;
    const RunDirectory& m_directory;
    const TrainingOptions& m_options;
    EventWriter& m_events;
    RunControl& m_control;

    Clock::time_point m_start = Clock::now();
    ComputePlace m_place;
    ModelConfig m_modelConfig;
    std::optional<GpuWatch> m_gpu;
    MemoryPlan m_plan;
    TrainingData m_data;
    std::unique_ptr<DecoderModel> m_model;
    std::unique_ptr<TrainableSet> m_trainables;
    std::unique_ptr<Trainer> m_trainer;
    std::unique_ptr<RunArtifacts> m_artifacts;
    std::int64_t m_checkpointedStep = -1;
    std::int64_t m_measuredStep = -1;
    double m_tokens = 0.0;
    double m_stepSeconds = 0.0;
    std::vector<double> m_losses;
    RunFinished m_finished;
};

void TrainingRun::prepare()
{
    m_place = computePlace(m_config);
    resetPeakMemory(m_place.device);
    m_gpu.emplace(placeUuid(m_place.device));
    say(RunState::Preparing, "reading the model's configuration");
    m_modelConfig = readModelConfig(m_config.model);
    requireValid(m_config, &m_modelConfig);
    m_directory.writeEnvironment(environmentJson(m_place));

    const ProgressCallback unlessStopped = [this](const Progress&) { return !stopping(); };
    say(RunState::Preparing, "reading and counting the data");
    m_data = prepareTrainingData(m_config, m_modelConfig, unlessStopped);
    const std::vector<std::int64_t> tokens = distinctTokens(m_data.train.rows, m_data.heldOut);
    m_plan =
        planMemory(m_modelConfig, m_config, placeProfile(m_place.device), {std::ssize(tokens)});
    m_directory.writePlan(memoryPlanToJson(m_plan));

    say(RunState::Preparing, "loading the model");
    m_model = std::make_unique<DecoderModel>(
        loadBaseModel(m_config.model, m_place, unlessStopped, m_config.quantization));
    AdapterOrigin origin{m_modelConfig.rope, extendedRope(m_modelConfig, m_config.context),
                         baseFingerprint(m_config.model), rowLength(m_modelConfig, m_config),
                         m_config.quantization};
    m_model->config.rope = origin.rope;
    m_trainables = std::make_unique<TrainableSet>(*m_model, m_config, tokens);
    if (!m_options.initialAdapter.empty()) {
        const Adapter initial = readAdapter(m_options.initialAdapter);
        if (!initial.rows.empty() || !initial.embeddingPairs.empty()) {
            throw DataError("Training cannot go on with the adapter " +
                                m_options.initialAdapter.string() +
                                ": it updates parts of the embedding",
                            "Merge it into the model first.");
        }
        m_trainables->assign(initial.pairs, initial.replaced);
    }
    m_artifacts = std::make_unique<RunArtifacts>(m_directory, m_config, *m_model, *m_trainables,
                                                 std::move(origin));
    const std::int64_t steps =
        m_options.dryRun ? 2 : totalSteps(m_config, m_data.train.report.rows);
    m_trainer =
        std::make_unique<Trainer>(*m_model, *m_trainables, m_config, std::move(m_data.train.rows),
                                  TrainingScope{steps, m_plan.layerMemory});
}

void TrainingRun::announce()
{
    const PackingReport& packed = m_data.train.report;
    m_events.write(
        Message{MessageLevel::Info, formatCount(packed.documents) + " documents, " +
                                        formatCount(packed.tokens) + " tokens in " +
                                        formatCount(packed.rows) + " rows; " +
                                        formatCount(packed.cutDocuments) + " documents cut, " +
                                        formatCount(packed.droppedTokens) + " tokens dropped, " +
                                        formatCount(packed.paddingTokens) + " of padding"});
    const std::int64_t length = rowLength(m_modelConfig, m_config);
    RunStarted started;
    started.totalSteps = m_trainer->totalSteps();
    started.rowTokens = length;
    started.rowsPerStep = m_config.batch.microBatch * m_config.batch.accumulation;
    started.parameters = m_modelConfig.parameterCount();
    started.trainableParameters = m_trainables->parameterCount();
    started.device = describeDevice(m_place.device);
    started.precision = dtypeName(m_place.dtype);
    started.attention = describeAttention(m_config, length);
    started.plannedPeakBytes = m_plan.peakBytes;
    started.plan = m_plan.items;
    m_events.write(started);
}

void TrainingRun::takeControlFiles()
{
    for (const ControlRequest request : m_directory.takeControl()) {
        m_control.request(request);
    }
}

void TrainingRun::holdWhileAsked()
{
    takeControlFiles();
    if (!m_control.holdRequested() || m_control.stopRequested()) {
        return;
    }
    say(RunState::Held, "after step " + formatCount(m_trainer->stepsDone()));
    while (m_control.holdRequested() && !stopping()) {
        if (m_control.takeCheckpointRequest()) {
            writeCheckpoint();
        }
        std::this_thread::sleep_for(kHoldPoll);
    }
    say(RunState::Running, {});
}

void TrainingRun::loop()
{
    say(RunState::Running, {});
    if (!m_options.dryRun) {
        measureHeldOut();
    }
    while (m_trainer->stepsDone() < m_trainer->totalSteps()) {
        holdWhileAsked();
        if (m_control.stopRequested()) {
            return;
        }
        afterStep(inMemory("step " + formatCount(m_trainer->stepsDone() + 1),
                           [&] { return m_trainer->step(); }));
    }
}

/// Throws `failure` where that is no help: it is another error, or no leaner way is left.
void TrainingRun::goLeaner(const std::string& what, const std::exception_ptr& failure)
{
    const std::optional<std::string> shortage = memoryShortage(failure);
    const std::optional<std::string> change = shortage ? m_trainer->goLeaner() : std::nullopt;
    if (!change) {
        std::rethrow_exception(failure);
    }
    m_events.write(
        Message{MessageLevel::Warning,
                "memory did not suffice for " + what + " (" + *shortage + "). From now on " +
                    *change + "; " + what +
                    " is done again with the same rows, and gives the same but for rounding"});
}

void TrainingRun::afterStep(const StepDone& done)
{
    m_losses.push_back(done.loss);
    m_tokens += static_cast<double>(done.tokens);
    m_stepSeconds += done.seconds;
    m_events.write(done);
    if (const auto measured = m_gpu->look(Clock::now())) {
        m_events.write(*measured);
    }
    const auto isDue = [&](std::int64_t every) { return every > 0 && done.step % every == 0; };
    if (m_options.dryRun) {
        return;
    }
    if (isDue(m_config.evaluation.everySteps)) {
        measureHeldOut();
    }
    if (isDue(m_config.checkpoint.everySteps) || m_control.takeCheckpointRequest()) {
        writeCheckpoint();
    }
}

void TrainingRun::measureHeldOut()
{
    if (m_data.heldOut.empty() || m_config.evaluation.everySteps == 0 ||
        m_measuredStep == m_trainer->stepsDone()) {
        return;
    }
    m_measuredStep = m_trainer->stepsDone();
    m_events.write(inMemory("the evaluation after step " + formatCount(m_measuredStep),
                            [&] { return m_trainer->evaluate(m_data.heldOut); }));
}

void TrainingRun::writeCheckpoint()
{
    if (m_checkpointedStep == m_trainer->stepsDone()) {
        return;
    }
    m_checkpointedStep = m_trainer->stepsDone();
    const auto written = m_artifacts->writeCheckpoint(m_checkpointedStep);
    m_events.write(
        CheckpointWritten{m_checkpointedStep, written.path, written.bytes, written.seconds});
}

void TrainingRun::finish()
{
    if (m_options.dryRun) {
        const auto tried = m_artifacts->tryCheckpoint();
        m_events.write(CheckpointWritten{m_trainer->stepsDone(), "", tried.bytes, tried.seconds});
    } else if (m_control.stopRequested()) {
        say(RunState::Stopping, "writing a checkpoint");
        writeCheckpoint();
        m_finished.adapter = "checkpoints/latest";
        m_finished.outcome = RunOutcome::Stopped;
        m_finished.exitStatus = static_cast<int>(ExitStatus::Stopped);
    } else {
        measureHeldOut();
        m_finished.adapter = m_artifacts->writeResult().path;
    }
}

/// What an exception means to the user.
RunFinished failed(RunFinished finished, const std::exception_ptr& failure)
{
    finished.outcome = RunOutcome::Failed;
    try {
        std::rethrow_exception(failure);
    } catch (const Cancelled&) {
        finished.outcome = RunOutcome::Stopped;
        finished.exitStatus = static_cast<int>(ExitStatus::Stopped);
        finished.message = "stopped before the first step; there was nothing to write";
    } catch (const Error& error) {
        finished.exitStatus = static_cast<int>(error.exitStatus());
        finished.message = error.what();
        finished.hint = error.hint();
    } catch (const std::exception& error) {
        finished.exitStatus = static_cast<int>(ExitStatus::Bug);
        finished.message = error.what();
        finished.hint = "this is a fault of the program; the run directory keeps what was written";
    }
    return finished;
}

/// LibTorch's errors in this project's terms.
std::exception_ptr translated(std::exception_ptr failure)
{
    if (const auto shortage = memoryShortage(failure)) {
        return std::make_exception_ptr(DeviceError(
            "out of memory: " + *shortage,
            "shorten context.length or lower batch.micro_batch; plan.json has the items"));
    }
    try {
        std::rethrow_exception(failure);
    } catch (const c10::Error& error) {
        return std::make_exception_ptr(std::runtime_error(error.what_without_backtrace()));
    } catch (const std::filesystem::filesystem_error& error) {
        return std::make_exception_ptr(DataError(error.what(), "check space and rights there"));
    } catch (...) {
        return failure;
    }
}

} // namespace

TrainingResult runTraining(const RunConfig& config, const RunDirectory& directory,
                           const TrainingOptions& options, EventSink& sink, RunControl& control)
{
    TrainingResult result;
    std::unique_ptr<EventFileSink> file;
    std::vector<EventSink*> sinks{&sink};
    try {
        file = std::make_unique<EventFileSink>(directory.eventFile());
        sinks.insert(sinks.begin(), file.get());
    } catch (...) {
        result.failure = std::current_exception();
    }
    TeeSink tee(sinks);
    EventWriter events(tee, config.runName.empty() ? directory.path().filename().string()
                                                   : config.runName);
    TrainingRun run(config, directory, options, events, control);
    if (!result.failure) {
        try {
            const RunLock lock(directory);
            run.run();
        } catch (...) {
            result.failure = translated(std::current_exception());
        }
    }
    result.finished = run.summary();
    if (result.failure) {
        result.finished = failed(result.finished, result.failure);
    }
    result.losses = run.takeLosses();
    events.write(StateChanged{RunState::Finished, {}});
    events.write(result.finished);
    return result;
}

} // namespace longlora
