// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/config/run_config.h"
#include "core/spec/events/event_sink.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/run/conversion_service.h"
#include "core/spec/run/kv_format.h"
#include "core/spec/run/merge_service.h"
#include "core/spec/run/run_control.h"
#include "core/spec/text/conversation.h"

#include <array>
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
    bool isBaseModel = true;     ///< no chat template: plain completion
    std::string templateStyle;   ///< what PromptFormat::style() says; empty: plain completion
    std::string templateProblem; ///< why there is plain completion though there is a template
    std::array<KvMemory, kKvFormats> cacheMemory{}; ///< of a conversation in each KvFormat
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

/// One question to a model. Whoever has the model writes it in the model's format.
struct ChatRequest {
    Conversation conversation;
    SamplingOptions sampling;
};

/// A model in a thread of its own. Threading: call from the window's thread; no call waits.
class ChatService {
public:
    virtual ~ChatService() = default;
    virtual void load(const std::filesystem::path& modelFolder) = 0;
    /// How the keys and values of conversations are kept from the next question on, by this model
    /// and those loaded after it. What was read is read again if that changes.
    virtual void keepCacheIn(KvFormat format) = 0;
    /// Answers with ChatPrefill..., ChatText..., then ChatAnswered or ChatFailed. The cache of the
    /// common beginning with the previous prompt is kept.
    virtual void ask(const ChatRequest& request) = 0;
    /// Ends the current answer after its present token or prefill chunk.
    virtual void cancel() = 0;
    virtual void unload() = 0;
    virtual std::vector<ChatEvent> drain() = 0;
};

/// Threading: measure() is called from a background thread and blocks.
class DeviceService {
public:
    virtual ~DeviceService() = default;
    /// The devices of this machine that a run can compute on, with their training speed, by a
    /// benchmark of about a second. First the one that devices.kind auto means; never empty.
    virtual std::vector<DeviceProfile> measure() = 0;
};

/// Everything the window needs from below; made by app/, faked by tests.
struct Services {
    TrainingService& training;
    ChatService& chat;
    MergeService& merge;
    DeviceService& device;
    ConversionService& conversion;
};

} // namespace longlora
