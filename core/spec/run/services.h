// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/config/run_config.h"
#include "core/spec/events/event_sink.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/run/run_control.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace longlora {

/// Runs one training at a time. The window knows it by this interface only; app/ implements it
/// with a worker thread, tests with a script. Threading: call from the window's thread.
class TrainingService {
public:
    virtual ~TrainingService() = default;
    /// Returns at once. Everything that happens, failures included, arrives as events.
    virtual void start(const RunConfig& config, const std::filesystem::path& runFolder) = 0;
    virtual void request(ControlRequest request) = 0;
    virtual bool isRunning() const = 0;
    /// Events of the run started last.
    virtual EventSource& events() = 0;
    /// Asks a running run to stop and waits for its thread: for the end of the program.
    virtual void stopAndWait() = 0;
};

struct SamplingOptions {
    std::int64_t maxNewTokens = 256; ///< tokens
    double temperature = 0.7;        ///< 0: greedy
    double topP = 0.95;              ///< (0, 1]
    std::int64_t topK = 40;          ///< 0: off
    std::int64_t seed = 0;
    std::vector<std::string> stop; ///< end the answer before any of these
};

struct ChatModelLoaded {
    std::string folder;
    std::int64_t contextLength = 0; ///< tokens
    std::int64_t parameters = 0;
    bool isBaseModel = true; ///< no chat template: plain completion
};
struct ChatPrefill {
    std::int64_t done = 0; ///< tokens
    std::int64_t total = 0;
    double tokensPerSecond = 0.0;
};
struct ChatText {
    std::string text; ///< whole UTF-8 characters
};
struct ChatAnswered {
    std::int64_t promptTokens = 0;
    std::int64_t newTokens = 0;
    double prefillSeconds = 0.0;
    double tokensPerSecond = 0.0;
    std::string finishReason; ///< "stop", "length", "cancelled"
};
struct ChatFailed {
    std::string message;
    std::string hint;
};
using ChatEvent = std::variant<ChatModelLoaded, ChatPrefill, ChatText, ChatAnswered, ChatFailed>;

/// One question to a model.
struct ChatRequest {
    std::string prompt; ///< the whole text before the answer, template applied
    SamplingOptions sampling;
};

/// A model in a thread of its own. Threading: call from the window's thread; no call waits.
class ChatService {
public:
    virtual ~ChatService() = default;
    virtual void load(const std::filesystem::path& modelFolder) = 0;
    /// Answers with ChatPrefill..., ChatText..., then ChatAnswered or ChatFailed. The cache of the
    /// common beginning with the previous prompt is kept.
    virtual void ask(const ChatRequest& request) = 0;
    /// Ends the current answer after its present token or prefill chunk.
    virtual void cancel() = 0;
    virtual void unload() = 0;
    virtual std::vector<ChatEvent> drain() = 0;
};

enum class MergeFormat { Safetensors, Gguf };

/// What `max_position_embeddings` says where a linear factor multiplies it.
enum class PositionLimit {
    Original,     ///< the base's, as LongLoRA leaves it: readers multiply by the factor
    TrainedLength ///< the extended context, for readers that take it as the context (llama.cpp)
};

struct MergeRequest {
    std::filesystem::path base;
    std::filesystem::path adapter;
    std::filesystem::path output; ///< a folder; Gguf: a file
    /// "fp32", "bf16", "f16", Gguf also "q8_0"; auto: as the base is stored
    std::string dtype = "auto";
    bool verify = true;
    MergeFormat format = MergeFormat::Safetensors;
    PositionLimit positions = PositionLimit::Original;
    double maxShardBytes = 5e9; ///< larger models get several weight files and an index
    bool replace = false;       ///< an existing output is kept beside it under another name
};

/// What a merge will do, found out before it starts.
struct MergePreview {
    std::int64_t tensors = 0;
    std::int64_t changedTensors = 0;
    std::int64_t files = 1;          ///< with weights
    double outputBytes = 0.0;        ///< of the weights as written
    double temporaryBytes = 0.0;     ///< beside them while it runs
    double freeBytes = 0.0;          ///< where the output goes
    double memoryBytes = 0.0;        ///< at most, about: merging, and verifying if asked for
    double availableMemory = 0.0;    ///< 0: not known
    bool fingerprintChecked = false; ///< the adapter names its base, and it is this one
    std::string fingerprint;         ///< of the base
    std::string dtype;
    std::string rope; ///< as it will be written, for people
    std::int64_t contextLength = 0;
    bool outputExists = false;
    double existingBytes = 0.0; ///< of the output that exists
};

/// What a merge did and the proof that it did it right.
struct MergeReport {
    std::int64_t tensors = 0;
    std::int64_t mergedTensors = 0; ///< changed by LoRA or replaced by trained ones
    double bytes = 0.0;             ///< written
    std::int64_t files = 1;         ///< with weights
    bool verified = false;
    std::int64_t comparedTokens = 0; ///< length of the text whose logits were compared
    double maxAbsLogitError = 0.0;   ///< unmerged against merged, as written
    double meanAbsLogitError = 0.0;
    double maxAbsLogit = 0.0;      ///< to judge the error by
    std::int64_t sameTopToken = 0; ///< positions whose most likely token agrees
    bool rereadEqual = false;      ///< the file read back equals what was to be written
    std::string rope;              ///< as written into config.json, for people
    std::string dtype;
    double mergeSeconds = 0.0;      ///< until all weights were on the disk
    double seconds = 0.0;           ///< all of it
    std::filesystem::path replaced; ///< where the older output lies now; empty: there was none
    double replacedBytes = 0.0;
};

/// Threading: both are called from a background thread and block.
class MergeService {
public:
    virtual ~MergeService() = default;
    /// Reads headers only. Throws: what merge() would, as far as it can be known beforehand;
    /// too little space or memory and an existing output are no errors here.
    virtual MergePreview examine(const MergeRequest& request) = 0;
    /// Throws: Error kinds; Cancelled when `progress` returns false.
    virtual MergeReport merge(const MergeRequest& request, const ProgressCallback& progress) = 0;
};

/// Threading: measure() is called from a background thread and blocks.
class DeviceService {
public:
    virtual ~DeviceService() = default;
    /// This machine with its training speed, by a benchmark of about a second.
    virtual DeviceProfile measure() = 0;
};

/// Everything the window needs from below; made by app/, faked by tests.
struct Services {
    TrainingService& training;
    ChatService& chat;
    MergeService& merge;
    DeviceService& device;
};

} // namespace longlora
