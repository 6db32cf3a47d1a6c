// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/demo_story.h"

#include "app/commands/console.h"
#include "app/commands/stop_signals.h"
#include "app/commands/training_console.h"
#include "app/device_service.h"
#include "core/engine/checkpoint/merge.h"
#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"

#include <fmt/format.h>

#include <chrono>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kAnswerTokens = 16;

/// Keeps what the report shows of a run.
class RunRecorder : public EventSink {
public:
    explicit RunRecorder(DemoResult& result)
        : m_result(result)
    {}
    void post(const Event& event) noexcept override
    {
        if (const auto* started = std::get_if<RunStarted>(&event.body)) {
            m_result.started = *started;
        } else if (const auto* step = std::get_if<StepDone>(&event.body)) {
            m_result.steps.push_back(*step);
        } else if (const auto* measured = std::get_if<HeldOutMeasured>(&event.body)) {
            m_result.heldOut.push_back(*measured);
        }
    }

private:
    DemoResult& m_result;
};

class DemoStory {
public:
    DemoStory(DemoMaterial material, const fs::path& folder, Console& console, StopSignals& signals)
        : m_folder(folder)
        , m_console(console)
        , m_signals(signals)
    {
        m_result.material = std::move(material);
        m_result.model = readModelConfig(config().model);
        m_result.contextBefore = m_result.model.contextLength();
        m_result.contextAfter = rowLength(m_result.model, config());
        m_measuring.lengths = m_result.lengths();
        m_measuring.heldOut = m_result.material.heldOut;
    }

    DemoResult tell()
    {
        const auto start = std::chrono::steady_clock::now();
        plan();
        measureBase();
        train();
        measureExtended();
        merge();
        ask();
        m_result.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return std::move(m_result);
    }

private:
    const RunConfig& config() const { return m_result.material.config; }
    fs::path adapter() const { return m_folder / "run" / m_result.finished.adapter; }
    fs::path merged() const { return m_folder / "merged"; }
    ProgressCallback progress() { return m_signals.progress(m_console); }

    void plan()
    {
        m_result.device = profileHere(config().devices.kind);
        m_result.plan = planMemory(m_result.model, config(), m_result.device);
        m_console.note(fmt::format(
            "1/6 Plan: extend {} parameters from {} to {} tokens; {} of memory, {}",
            formatCount(m_result.model.parameterCount()), formatCount(m_result.contextBefore),
            formatCount(m_result.contextAfter), formatBytes(m_result.plan.peakBytes),
            m_result.plan.fits ? "fits" : "does not fit"));
    }

    LoadedModel load(const fs::path& model, const fs::path& adapterFolder = {})
    {
        return LoadedModel({.model = model,
                            .adapter = adapterFolder,
                            .device = config().devices.kind,
                            .precision = ComputePrecision::Fp32},
                           progress());
    }

    void measure(const LoadedModel& model, std::string key, std::string name)
    {
        const DemoMeasurement& measured = m_result.models.emplace_back(
            measureModel(model, std::move(key), std::move(name), m_measuring, progress()));
        for (const std::int64_t length : m_measuring.lengths) {
            m_console.note(
                fmt::format("    {:>6} tokens: perplexity {:8.2f}, pass keys found {:3.0f} %",
                            formatCount(length), measured.perplexityAt(length),
                            100.0 * measured.accuracyAt(length)));
        }
    }

    void measureBase()
    {
        LoadedModel model = load(config().model);
        m_console.note("2/6 The base model, measured with full attention:");
        measure(model, "base", "Base");
        model.setRope(extendedRope(m_result.model, config().context));
        m_console.note("    The same with scaled positions and no training:");
        measure(model, "untrained_scaling", "Scaled, not trained");
    }

    void train()
    {
        m_console.note("3/6 Training:");
        const RunDirectory directory = RunDirectory::create(m_folder / "run");
        directory.writeConfig(config());
        RunRecorder recorder(m_result);
        TrainingConsole teller(m_console);
        TeeSink sink({&recorder, &teller});
        const TrainingResult trained =
            runTraining(config(), directory, {}, sink, m_signals.control());
        if (trained.finished.outcome == RunOutcome::Stopped) {
            throw Cancelled{};
        }
        if (trained.failure) {
            std::rethrow_exception(trained.failure);
        }
        m_result.finished = trained.finished;
    }

    void measureExtended()
    {
        const LoadedModel model = load(config().model, adapter());
        m_console.note("4/6 The extended model:");
        measure(model, "extended", "Extended");
    }

    void merge()
    {
        m_result.merge = mergeAdapter({config().model, adapter(), merged()}, progress());
        m_console.note(fmt::format("5/6 Merged into one model; logits differ by at most {:.2g}",
                                   m_result.merge.maxAbsLogitError));
    }

    void ask()
    {
        const LoadedModel model = load(merged());
        Generator generator(model);
        SamplingOptions sampling;
        sampling.maxNewTokens = kAnswerTokens;
        sampling.temperature = 0.0;
        sampling.stop = {"\n"};
        const DemoMaterial& material = m_result.material;
        m_result.answer = generator.generate(material.document + "\n\n" + material.question,
                                             sampling, progress(), {});
        if (m_result.answer.finishReason == "cancelled") {
            throw Cancelled{};
        }
        m_console.note(fmt::format("6/6 {}{}   (expected: {})", material.question,
                                   m_result.answer.text, material.expected));
    }

    fs::path m_folder;
    Console& m_console;
    StopSignals& m_signals;
    DemoMeasuring m_measuring;
    DemoResult m_result;
};

} // namespace

std::vector<std::int64_t> DemoResult::lengths() const
{
    return {contextBefore, 2 * contextBefore, 4 * contextBefore};
}

DemoResult tellDemo(DemoMaterial material, const fs::path& folder, Console& console,
                    StopSignals& signals)
{
    return DemoStory(std::move(material), folder, console, signals).tell();
}

} // namespace longlora::app
