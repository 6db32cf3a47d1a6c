// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/chat_session.h"

#include "core/engine/checkpoint/loaded_model.h"
#include "core/engine/infer/generator.h"
#include "core/engine/infer/kv_cache.h"
#include "core/spec/base/error.h"
#include "core/spec/text/prompt_format.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>

namespace longlora {

namespace {

struct LoadCommand {
    std::filesystem::path folder;
};
struct UnloadCommand {};
struct CacheCommand {
    KvFormat format;
};
using Command = std::variant<LoadCommand, ChatRequest, UnloadCommand, CacheCommand>;

/// What is being thrown, in the user's words. Called inside a catch block.
ChatFailed describeFailure()
{
    try {
        throw;
    } catch (const Error& error) {
        std::string message = error.what();
        for (const std::string& where : error.context()) {
            message += " (" + where + ")";
        }
        return {.message = std::move(message), .hint = error.hint()};
    } catch (const c10::OutOfMemoryError&) {
        return {.message = "The device has not enough memory for this.",
                .hint = "Use a shorter text, or close what else uses the device."};
    } catch (const std::bad_alloc&) {
        return {.message = "The computer has not enough memory for this.",
                .hint = "Use a shorter text or a smaller model."};
    } catch (const c10::Error& error) {
        return {.message = std::string("The computation failed: ") + error.what_without_backtrace(),
                .hint = "Load the model again."};
    } catch (const std::exception& error) {
        return {.message = error.what(), .hint = "Load the model again."};
    }
}

std::array<KvMemory, kKvFormats> cacheMemory(const DecoderModel& model)
{
    std::array<KvMemory, kKvFormats> memory;
    for (std::size_t i = 0; i < kKvFormats; ++i) {
        memory[i] = KvCache(model, static_cast<KvFormat>(i)).memory();
    }
    return memory;
}

/// The thread's side and the window's side share the queue of commands and the list of events, and
/// nothing else. Commands are numbered; those up to a mark are given up, whether they still wait or
/// are being carried out: answers by cancel(), answers and loading by whatever replaces the model.
class ChatSession : public ChatService {
public:
    ChatSession()
        : m_thread([this](std::stop_token stop) { run(std::move(stop)); })
    {}

    ~ChatSession() override
    {
        giveUpAll();
        m_thread.request_stop();
    }

    void load(const std::filesystem::path& modelFolder) override
    {
        giveUpAll();
        enqueue(LoadCommand{modelFolder});
    }
    void keepCacheIn(KvFormat format) override { enqueue(CacheCommand{format}); }
    void ask(const ChatRequest& request) override { enqueue(request); }
    void unload() override
    {
        giveUpAll();
        enqueue(UnloadCommand{});
    }
    void cancel() override
    {
        const std::lock_guard lock(m_mutex);
        m_answersGivenUp = m_lastNumber;
    }

    std::vector<ChatEvent> drain() override
    {
        const std::lock_guard lock(m_mutex);
        return std::exchange(m_events, {});
    }

private:
    struct Numbered {
        std::uint64_t number;
        Command command;
    };

    void giveUpAll()
    {
        const std::lock_guard lock(m_mutex);
        m_answersGivenUp = m_lastNumber;
        m_loadsGivenUp = m_lastNumber;
    }

    void enqueue(Command command)
    {
        {
            const std::lock_guard lock(m_mutex);
            m_commands.push_back({++m_lastNumber, std::move(command)});
        }
        m_wake.notify_one();
    }

    void post(ChatEvent event)
    {
        const std::lock_guard lock(m_mutex);
        m_events.push_back(std::move(event));
    }

    void run(std::stop_token stop)
    {
        for (;;) {
            Numbered next;
            {
                std::unique_lock lock(m_mutex);
                if (!m_wake.wait(lock, stop, [this] { return !m_commands.empty(); }) ||
                    stop.stop_requested()) {
                    break;
                }
                next = std::move(m_commands.front());
                m_commands.pop_front();
            }
            carryOut(next);
        }
        release(); // in the thread that made it
    }

    void carryOut(const Numbered& next)
    {
        try {
            if (const auto* request = std::get_if<ChatRequest>(&next.command)) {
                answer(*request, next.number);
            } else if (const auto* load = std::get_if<LoadCommand>(&next.command)) {
                release();
                loadModel(load->folder, next.number);
            } else if (const auto* cache = std::get_if<CacheCommand>(&next.command)) {
                keepIn(cache->format);
            } else {
                release();
            }
        } catch (const Cancelled&) {
            // Only loading ends like this, and only because something newer was asked for.
        } catch (...) {
            post(describeFailure());
        }
    }

    void release()
    {
        m_generator.reset();
        m_model.reset();
    }

    void keepIn(KvFormat format)
    {
        if (m_model && format != m_cache) {
            m_generator.reset(); // two caches may be more than there is room for
            m_generator.emplace(*m_model, format);
        }
        m_cache = format;
    }

    void loadModel(const std::filesystem::path& folder, std::uint64_t number)
    {
        const auto isGivenUp = [&] { return number <= m_loadsGivenUp; };
        const ProgressCallback goOn = [&](const Progress&) { return !isGivenUp(); };
        if (isGivenUp()) {
            throw Cancelled{};
        }
        LoadOptions options;
        options.model = folder;
        LoadedModel model(options, goOn);
        model.tokenizer(); // a model that cannot read is no use here, and says so now
        m_format = PromptFormat::readOrPlain(folder);
        m_model.emplace(std::move(model));
        m_generator.emplace(*m_model, m_cache);
        const ModelConfig& config = m_model->config();
        post(ChatModelLoaded{.folder = folder.string(),
                             .contextLength = config.contextLength(),
                             .parameters = config.parameterCount(),
                             .isBaseModel = m_format.isPlain() && m_format.problem().empty(),
                             .templateStyle = m_format.style(),
                             .templateProblem = m_format.problem(),
                             .cacheMemory = cacheMemory(m_model->decoder())});
    }

    void answer(const ChatRequest& request, std::uint64_t number)
    {
        const auto isGivenUp = [&] { return number <= m_answersGivenUp; };
        if (isGivenUp()) {
            post(ChatAnswered{.finishReason = "cancelled"});
            return;
        }
        if (!m_generator) {
            throw DataError("No model is loaded.", "Choose a model folder first.");
        }
        const auto start = std::chrono::steady_clock::now();
        std::optional<std::int64_t> reused; // told by the first call, and not read by us
        const ProgressCallback onPrefill = [&](const Progress& progress) {
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
            reused = reused.value_or(progress.done);
            const auto read = static_cast<double>(progress.done - *reused);
            post(ChatPrefill{.done = progress.done,
                             .total = progress.total,
                             .tokensPerSecond = read > 0.0 ? read / seconds.count() : 0.0});
            return !isGivenUp();
        };
        const Generator::TextCallback onText = [&](const std::string& text) {
            if (!text.empty()) {
                post(ChatText{text});
            }
            return !isGivenUp();
        };
        const GenerationResult result = m_generator->generate(request.conversation, m_format,
                                                              request.sampling, onPrefill, onText);
        post(ChatAnswered{.promptTokens = result.promptTokens,
                          .newTokens = result.newTokens,
                          .prefillSeconds = result.prefillSeconds,
                          .tokensPerSecond = result.tokensPerSecond,
                          .finishReason = result.finishReason});
    }

    // Used by the worker only.
    std::optional<LoadedModel> m_model;
    std::optional<Generator> m_generator;
    PromptFormat m_format;
    KvFormat m_cache = KvFormat::Model;

    std::mutex m_mutex;
    std::condition_variable_any m_wake;
    std::deque<Numbered> m_commands;
    std::vector<ChatEvent> m_events;
    std::uint64_t m_lastNumber = 0;
    // Written under the mutex, read without.
    std::atomic<std::uint64_t> m_answersGivenUp = 0;
    std::atomic<std::uint64_t> m_loadsGivenUp = 0;

    std::jthread m_thread; ///< last: ends before anything it uses
};

} // namespace

std::unique_ptr<ChatService> makeChatSession()
{
    return std::make_unique<ChatSession>();
}

} // namespace longlora
