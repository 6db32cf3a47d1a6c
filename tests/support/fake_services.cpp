// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/fake_services.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"
#include "core/spec/config/config_json.h"
#include "core/spec/config/model_config.h"
#include "core/spec/run/run_directory.h"
#include "core/spec/text/prompt_format.h"

#include <chrono>
#include <cmath>
#include <random>
#include <thread>

namespace longlora::test {

namespace {

namespace fs = std::filesystem;

constexpr double kMiB = 1024.0 * 1024.0;

RunStarted scriptedStart(std::int64_t steps)
{
    RunStarted started;
    started.totalSteps = steps;
    started.rowTokens = 1024;
    started.rowsPerStep = 4;
    started.parameters = 924'160;
    started.trainableParameters = 198'016;
    started.device = "CPU, 2 threads";
    started.precision = "fp32";
    started.attention = "S2, group 256, clipped";
    started.plan = {{"weights", 3.5 * kMiB, "924,160 parameters x 4 bytes"},
                    {"LoRA and trained weights", 3.2 * kMiB, "198,016 x 16 bytes"},
                    {"hidden states", 8.4 * kMiB, "4 layers x 1,024 x 128 x 4 bytes x 4 rows"},
                    {"activations of one layer", 41.0 * kMiB, "one layer, 4 rows of 1,024"},
                    {"logits chunk", 1.0 * kMiB, "256 x 1,024 x 4 bytes"},
                    {"program", 310.0 * kMiB, "LibTorch and the tokenizer"}};
    for (const PlannedItem& item : started.plan) {
        started.plannedPeakBytes += item.bytes;
    }
    return started;
}

} // namespace

std::vector<EventBody> scriptedRun(std::int64_t steps)
{
    std::mt19937 random(7);
    std::normal_distribution<double> noise(0.0, 0.09);
    std::vector<EventBody> script = {StateChanged{RunState::Preparing, "reading the model"},
                                     StateChanged{RunState::Preparing, "counting tokens"},
                                     scriptedStart(steps), StateChanged{RunState::Running, ""}};
    for (std::int64_t step = 1; step <= steps; ++step) {
        const double progress = static_cast<double>(step) / static_cast<double>(steps);
        StepDone done;
        done.step = step;
        done.loss = 3.45 + 1.3 * std::exp(-6.0 * progress) + noise(random);
        done.learningRate = 4e-3 * std::min(1.0, static_cast<double>(step - 1) / 10.0);
        done.gradientNorm = 0.8 + noise(random);
        done.tokens = 4096;
        done.scoredTokens = 4000;
        done.seconds = 0.82 + 0.3 * noise(random);
        done.tokensPerSecond = 4096.0 / done.seconds;
        done.memoryBytes = (300.0 + 40.0 * (1.0 - std::exp(-20.0 * progress))) * kMiB;
        done.peakBytes = 352.0 * kMiB;
        done.fullAttention = progress > 0.8;
        script.emplace_back(done);
        if (step % 10 == 0) {
            script.emplace_back(
                HeldOutMeasured{step, 3.5 + 1.2 * std::exp(-6.0 * progress), 20000, 1.4});
        }
        if (step % 25 == 0) {
            script.emplace_back(CheckpointWritten{step, "checkpoints/step-" + std::to_string(step),
                                                  2.4 * kMiB, 0.03});
        }
    }
    return script;
}

void FakeTraining::start(const RunConfig& config, const fs::path& runFolder)
{
    m_config = config;
    m_folder = runFolder;
    m_control = std::make_unique<RunControl>();
    m_queue = std::make_unique<EventQueue>();
    const RunDirectory directory = RunDirectory::create(runFolder);
    directory.writeConfig(config);
    m_file = std::make_unique<EventFileSink>(directory.eventFile());
    m_sink = std::make_unique<TeeSink>(std::vector<EventSink*>{m_queue.get(), m_file.get()});
    m_writer = std::make_unique<EventWriter>(*m_sink, runFolder.filename().string());
    m_position = 0;
    m_steps = 0;
    m_held = false;
    m_running = true;
}

bool FakeTraining::obeyControl()
{
    if (m_control->stopRequested()) {
        end(RunOutcome::Stopped);
        return true;
    }
    if (m_control->takeCheckpointRequest()) {
        m_writer->write(CheckpointWritten{m_steps, "checkpoints/now", 2.4 * kMiB, 0.02});
    }
    const bool hold = m_control->holdRequested();
    if (hold != m_held) {
        m_held = hold;
        m_writer->write(StateChanged{hold ? RunState::Held : RunState::Running, ""});
    }
    return m_held;
}

void FakeTraining::advance(int count)
{
    for (int i = 0; i < count && m_running; ++i) {
        const bool begun = m_position > 3;
        if (begun && obeyControl()) {
            return;
        }
        if (m_position == script.size()) {
            end(failure ? RunOutcome::Failed : RunOutcome::Completed);
            return;
        }
        if (std::holds_alternative<StepDone>(script[m_position])) {
            ++m_steps;
        }
        m_writer->write(script[m_position++]);
    }
}

void FakeTraining::finish()
{
    while (m_running && !m_control->holdRequested()) {
        advance(1000);
    }
}

void FakeTraining::end(RunOutcome outcome)
{
    RunFinished finished = failure.value_or(RunFinished{});
    finished.outcome = outcome;
    finished.steps = m_steps;
    finished.finalLoss = 3.46;
    finished.seconds = 0.85 * static_cast<double>(m_steps);
    finished.tokensPerSecond = 4900.0;
    finished.peakBytes = 352.0 * kMiB;
    finished.plannedPeakBytes = 367.0 * kMiB;
    finished.adapter = outcome == RunOutcome::Failed ? "" : "adapter";
    m_writer->write(finished);
    m_running = false;
}

void FakeChat::load(const fs::path& modelFolder)
{
    if (loadFailure) {
        m_waiting = {*loadFailure};
        return;
    }
    model.folder = modelFolder.string();
    const PromptFormat format = PromptFormat::readOrPlain(modelFolder);
    model.isBaseModel = format.isPlain() && format.problem().empty();
    model.templateStyle = format.style();
    model.templateProblem = format.problem();
    m_waiting = {model};
}

void FakeChat::ask(const ChatRequest& request)
{
    requests.push_back(request);
    m_spoken = 0;
    m_waiting = {ChatPrefill{64, 192, 1500.0}, ChatPrefill{192, 192, 1500.0}};
    for (const std::string& piece : answer) {
        m_waiting.emplace_back(ChatText{piece});
    }
    m_waiting.emplace_back(
        ChatAnswered{192, static_cast<std::int64_t>(answer.size()), 0.13, 210.0, "stop"});
}

void FakeChat::cancel()
{
    m_waiting = {ChatAnswered{192, m_spoken, 0.13, 210.0, "cancelled"}};
}

std::vector<ChatEvent> FakeChat::drain()
{
    if (m_waiting.empty()) {
        return {};
    }
    const ChatEvent first = m_waiting.front();
    m_waiting.erase(m_waiting.begin());
    m_spoken += std::holds_alternative<ChatText>(first) ? 1 : 0;
    return {first};
}

std::vector<DryRunFigure> FakeDryRun::run(const RunConfig&, const ProgressCallback& progress)
{
    while (stall) {
        if (!progress({"dry run", 1, 2, "steps"})) {
            throw Cancelled{};
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (fail) {
        throw DeviceError("12 GiB are not there", "Take a shorter context.");
    }
    using Kind = DryRunFigure::Kind;
    return {{Kind::PeakMemory, 178 * kMiB, 163 * kMiB},
            {Kind::StepTime, 2.0, 2.2},
            {Kind::CheckpointSize, 3.2 * kMiB, 3.3 * kMiB},
            {Kind::CheckpointTime, 0.0, 0.4}};
}

std::vector<DeviceProfile> FakeDevice::measure()
{
    DeviceProfile profile = localCpuProfile();
    profile.fp32FlopsPerSecond = profile.bf16FlopsPerSecond = 1e11;
    return {profile};
}

FakeMerge::FakeMerge()
{
    report.tensors = 39;
    report.mergedTensors = 26;
    report.bytes = 3.53 * kMiB;
    report.verified = true;
    report.comparedTokens = 1024;
    report.maxAbsLogitError = 2.1e-5;
    report.meanAbsLogitError = 1.7e-6;
    report.maxAbsLogit = 18.4;
    report.sameTopToken = 1024;
    report.rereadEqual = true;
    report.rope = "llama3 x 4 over 256";
    report.dtype = "fp32";
    report.mergeSeconds = 0.1;
    report.seconds = 0.4;
    preview.tensors = report.tensors;
    preview.changedTensors = report.mergedTensors;
    preview.outputBytes = report.bytes;
    preview.freeBytes = 50.0 * 1024.0 * kMiB;
    preview.memoryBytes = 60.0 * kMiB;
    preview.availableMemory = 8.0 * 1024.0 * kMiB;
    preview.fingerprint = "5b1ea7c3d2";
    preview.fingerprintChecked = true;
    preview.dtype = report.dtype;
    preview.rope = report.rope;
    preview.contextLength = 1024;
}

MergePreview FakeMerge::examine(const MergeRequest& request)
{
    if (unfit) {
        throw DataError(*unfit, "Use the base it was trained on.");
    }
    MergePreview answer = preview;
    answer.outputExists = fs::exists(request.output);
    answer.existingBytes = storedBytes(request.output);
    return answer;
}

namespace {

/// Ten steps; while `stall` is set the fifth goes on and on.
void workThrough(const char* phase, const std::atomic<bool>& stall,
                 const ProgressCallback& progress)
{
    constexpr std::int64_t kTensors = 10;
    for (std::int64_t tensor = 0; tensor <= kTensors; ++tensor) {
        do {
            if (!progress({phase, tensor, kTensors, "tensors"})) {
                throw Cancelled{};
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        } while (stall && tensor == kTensors / 2);
    }
}

} // namespace

MergeReport FakeMerge::merge(const MergeRequest& request, const ProgressCallback& progress)
{
    ++calls;
    workThrough("merging", stall, progress);
    if (failure) {
        throw DataError(*failure, "Free some space and merge again.");
    }
    MergeReport answer = report;
    if (request.replace && fs::exists(request.output)) {
        answer.replaced = replacedName(request.output);
        answer.replacedBytes = storedBytes(request.output);
        fs::rename(request.output, answer.replaced);
    }
    fs::copy(request.base, request.output, fs::copy_options::recursive);
    return answer;
}

ConversionReport FakeConversion::importGguf(const ImportRequest& request,
                                            const ProgressCallback& progress)
{
    requests.push_back(request);
    workThrough("importing", stall, progress);
    if (failure) {
        throw DataError(*failure, "Get the file again.");
    }
    fs::copy(result, request.output, fs::copy_options::recursive);
    return {};
}

void makeDemoFolder(const fs::path& folder, const fs::path& modelFolder)
{
    fs::create_directories(folder / "model");
    for (const char* file :
         {"config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"}) {
        fs::copy_file(modelFolder / file, folder / "model" / file);
    }
    std::string book;
    for (int line = 0; line < 400; ++line) {
        book += "Now is the winter of our discontent made glorious summer by this sun of York. ";
    }
    writeFileAtomically(folder / "book.txt", book);
    writeFileAtomically(folder / "held_out.txt", book.substr(0, 8000));
    writeFileAtomically(folder / "story.txt",
                        "The pass key is 48172. Remember it. 48172 is the pass key.");
    writeFileAtomically(
        folder / "tour.json",
        "{\"document\": \"story.txt\", \"question\": \"The pass key is\", \"expected\": \"48172\", "
        "\"note\": \"This model has 0.3 million parameters, a twenty-thousandth of a usual one. "
        "It can find a number that stands in the text, no more.\"}");
    RunConfig config;
    config.model = "model";
    config.runName = "demo";
    config.data.train = {"book.txt"};
    config.data.validation = {"held_out.txt"};
    config.context.length = 4 * readModelConfig(modelFolder).contextLength();
    config.context.rope = ContextRope::Llama3;
    config.attention.fullFinalFraction = 0.2;
    config.optimizer.learningRate = 4e-3;
    config.schedule.steps = 50;
    config.schedule.warmupSteps = 10;
    config.batch.accumulation = 4;
    config.evaluation.everySteps = 10;
    config.checkpoint.everySteps = 25;
    writeFileAtomically(folder / "run_config.json", runConfigToJson(config));
}

} // namespace longlora::test
