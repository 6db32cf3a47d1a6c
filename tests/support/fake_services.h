// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_file.h"
#include "core/spec/events/event_queue.h"
#include "core/spec/run/dry_run.h"
#include "core/spec/run/services.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace longlora::test {

/// What a run of `steps` steps says: a falling, noisy loss with held-out points and checkpoints.
/// Without the final RunFinished.
std::vector<EventBody> scriptedRun(std::int64_t steps);

/// A training that follows a script: nothing happens until advance(). It makes a real run folder,
/// obeys its RunControl at steps and writes the event file like the real one.
class FakeTraining : public TrainingService {
public:
    /// What the next start() will say.
    std::vector<EventBody> script = scriptedRun(50);
    /// Set: the run fails with this at the end of the script instead of completing.
    std::optional<RunFinished> failure;

    void start(const RunConfig& config, const std::filesystem::path& runFolder) override;
    void request(ControlRequest request) override { m_control->request(request); }
    bool isRunning() const override { return m_running; }
    EventSource& events() override { return *m_queue; }
    void stopAndWait() override { m_running = false; }

    /// Says up to `count` more of the script; ends the run after its last line, or when a stop was
    /// asked for. Threading: any one thread.
    void advance(int count = 1);
    /// To the end of the script.
    void finish();
    const RunConfig& config() const { return m_config; }
    const std::filesystem::path& folder() const { return m_folder; }

private:
    void end(RunOutcome outcome);
    bool obeyControl();

    RunConfig m_config;
    std::filesystem::path m_folder;
    std::unique_ptr<RunControl> m_control = std::make_unique<RunControl>();
    std::unique_ptr<EventQueue> m_queue = std::make_unique<EventQueue>();
    std::unique_ptr<EventFileSink> m_file;
    std::unique_ptr<TeeSink> m_sink;
    std::unique_ptr<EventWriter> m_writer;
    std::size_t m_position = 0;
    std::int64_t m_steps = 0;
    std::atomic<bool> m_running{false};
    bool m_held = false;
};

/// A chat whose answers are scripted; each drain() hands over one more piece.
class FakeChat : public ChatService {
public:
    /// load() adds what the folder's chat template is.
    ChatModelLoaded model{
        "", 512, 300'000, true, "", "", {{{0, 8192}, {0, 4096}, {0, 2304}, {1048576, 1280}}}};
    std::vector<std::string> answer = {" 48", "17", "2", "."};
    std::optional<ChatFailed> loadFailure;
    /// What was wished for, in order.
    std::vector<KvFormat> cacheFormats;
    /// Everything that was asked, as it arrived.
    std::vector<ChatRequest> requests;

    void load(const std::filesystem::path& modelFolder) override;
    void keepCacheIn(KvFormat format) override { cacheFormats.push_back(format); }
    void ask(const ChatRequest& request) override;
    void cancel() override;
    void unload() override { m_waiting.clear(); }
    std::vector<ChatEvent> drain() override;

private:
    std::vector<ChatEvent> m_waiting;
    std::int64_t m_spoken = 0;
};

/// A merge that copies the base folder, reports ten tensors and returns `report`.
class FakeMerge : public MergeService {
public:
    MergePreview preview; ///< but for what exists at the output
    MergeReport report;
    /// Thrown by examine().
    std::optional<std::string> unfit;
    /// Thrown instead of returning.
    std::optional<std::string> failure;
    /// While true the merge goes round its progress until it is cancelled or this is cleared.
    std::atomic<bool> stall{false};
    std::atomic<int> calls{0};

    FakeMerge();
    MergePreview examine(const MergeRequest& request) override;
    MergeReport merge(const MergeRequest& request, const ProgressCallback& progress) override;
};

/// An import that copies the folder `result`, in ten steps.
class FakeConversion : public ConversionService {
public:
    std::filesystem::path result;
    std::optional<std::string> failure; ///< thrown instead of returning
    std::atomic<bool> stall{false};     ///< as FakeMerge::stall
    std::vector<ImportRequest> requests;

    ConversionReport importGguf(const ImportRequest& request,
                                const ProgressCallback& progress) override;
};

/// A machine of 100 GFLOP/s.
/// Foretells and measures at once; or stalls until it is cancelled, or fails.
class FakeDryRun : public DryRunService {
public:
    std::vector<DryRunFigure> run(const RunConfig& config,
                                  const ProgressCallback& progress) override;
    std::atomic<bool> stall{false};
    std::atomic<bool> fail{false};
};

class FakeDevice : public DeviceService {
public:
    std::vector<DeviceProfile> measure() override;
};

struct FakeServices {
    FakeTraining training;
    FakeChat chat;
    FakeMerge merge;
    FakeDevice device;
    FakeConversion conversion;

    Services services() { return {training, chat, merge, device, conversion}; }
};

/// A demo folder around the model in `modelFolder`: model/, book.txt, held_out.txt, tour.json and
/// run_config.json, for four times the model's context.
void makeDemoFolder(const std::filesystem::path& folder, const std::filesystem::path& modelFolder);

} // namespace longlora::test
