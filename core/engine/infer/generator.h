// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/run/kv_format.h"
#include "core/spec/run/services.h"
#include "core/spec/text/prompt_format.h"
#include "core/spec/text/tokenizer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

class LoadedModel;

/// What came of a generation.
struct GenerationResult {
    std::string text;
    std::vector<TokenId> ids;
    std::int64_t promptTokens = 0;
    std::int64_t reusedTokens = 0; ///< of the prompt, already in the cache
    std::int64_t newTokens = 0;
    double prefillSeconds = 0.0;
    double tokensPerSecond = 0.0; ///< of decoding
    std::string finishReason;     ///< "stop", "length", "cancelled"
};

/// Full-attention generation with a KV cache and chunked prefill. The cache stays between calls: a
/// prompt that begins like the last one (same document) reads only what is new.
class Generator {
public:
    /// `model` outlives this. An answer ends at the ids that config.json, generation_config.json
    /// and the tokenizer name as the end. Throws: FormatError if those files cannot be read.
    explicit Generator(const LoadedModel& model, KvFormat cache = KvFormat::Model);
    ~Generator();

    /// Called after each token with the whole characters that became certain with it (empty while a
    /// character or a stop string is undecided); returning false stops.
    using TextCallback = std::function<bool(const std::string&)>;

    /// Cancelling in `onPrefill` (called before the first chunk and after each) or `onText` ends
    /// the answer as "cancelled"; what was read and said stays. Dynamic NTK takes the frequencies
    /// of prompt + maxNewTokens, and shares its cache only with texts of the same sum. Throws:
    /// DataError if prompt + maxNewTokens exceed the model's context (names both numbers; nothing
    /// is ever cut), or the prompt is empty; DeviceError if the cache does not fit.
    GenerationResult generate(const std::vector<TokenId>& prompt, const SamplingOptions& options,
                              const ProgressCallback& onPrefill, const TextCallback& onText);
    GenerationResult generate(const std::string& prompt, const SamplingOptions& options,
                              const ProgressCallback& onPrefill, const TextCallback& onText);
    /// Answers `conversation`, written in `format`, up to the end of the model's turn.
    GenerationResult generate(const Conversation& conversation, const PromptFormat& format,
                              SamplingOptions options, const ProgressCallback& onPrefill,
                              const TextCallback& onText);

private:
    GenerationResult generate(const std::vector<TokenId>& prompt, const SamplingOptions& options,
                              std::optional<TokenId> turnEnd, const ProgressCallback& onPrefill,
                              const TextCallback& onText);

    struct State;
    std::unique_ptr<State> m_state;
};

} // namespace longlora
