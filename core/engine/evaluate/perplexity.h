// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/config/run_config.h"
#include "core/spec/run/kv_format.h"
#include "core/spec/text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace longlora {

class LoadedModel;

enum class PerplexityRule { Sliding, Paper };

struct PerplexityOptions {
    std::int64_t context = 0; ///< tokens in a window
    PerplexityRule rule = PerplexityRule::Sliding;
    std::int64_t stride = 256; ///< tokens
    AttentionKind attention = AttentionKind::Full;
    std::optional<std::int64_t> group; ///< S2: empty means context / 4
    std::int64_t maxWindows = 0;       ///< 0: all
    /// Other than Model: what a conversation whose cache is kept so would cost. A window is read in
    /// blocks of 64 tokens, each seeing those before it as they are kept; full attention only.
    KvFormat cache = KvFormat::Model;
};

struct PerplexityResult {
    std::int64_t context = 0;
    double perplexity = 0.0;
    std::int64_t tokens = 0; ///< scored
    std::int64_t windows = 0;
};

/// Sliding: windows at 0, stride, 2 stride, ... until one reaches the end; a window scores only
/// what no earlier one scored, never its first token. Paper: every full window, all its tokens,
/// mean of the window means (LongLoRA's rule). Each window starts at position 0; no BOS is added.
/// Throws: ConfigError for options that cannot be; DataError if there are fewer than two tokens
/// (Paper: fewer than one window); Cancelled.
PerplexityResult evaluatePerplexity(const LoadedModel& model, const std::vector<TokenId>& tokens,
                                    const PerplexityOptions& options,
                                    const ProgressCallback& progress);

} // namespace longlora
