// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/evaluate/perplexity.h"

#include "core/engine/checkpoint/loaded_model.h"
#include "core/engine/infer/cached_forward.h"
#include "core/engine/model/forward.h"
#include "core/spec/base/error.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace longlora {

namespace {

/// Tokens in one forward pass: a single short window would leave a small model waiting for itself.
constexpr std::int64_t kBatchTokensCpu = 4096;
constexpr std::int64_t kBatchTokensGpu = 16384;

struct Window {
    std::int64_t begin = 0;
    std::int64_t length = 0;
    std::int64_t firstScored = 0; ///< in the window; >= 1

    bool isShapedLike(const Window& other) const
    {
        return length == other.length && firstScored == other.firstScored;
    }
    std::int64_t scored() const { return length - firstScored; }
};

void checkOptions(const PerplexityOptions& options, std::int64_t tokens)
{
    if (options.context < 2) {
        throw ConfigError(
            fmt::format("A context of {} tokens has nothing to predict.", options.context),
            "Use a context of at least 2 tokens.");
    }
    if (options.stride < 1) {
        throw ConfigError(fmt::format("Stride {} does not move the window.", options.stride),
                          "Use a stride of at least 1 token.");
    }
    if (options.group && *options.group < 1) {
        throw ConfigError(fmt::format("An S2 group of {} tokens is not possible.", *options.group),
                          "Use at least 1, or leave it out for a quarter of the context.");
    }
    if (options.cache != KvFormat::Model && options.attention != AttentionKind::Full) {
        throw ConfigError("A cache of keys and values is read with full attention, not with S2.",
                          "Leave out --kv, or use --attention full.");
    }
    const bool paper = options.rule == PerplexityRule::Paper;
    const std::int64_t needed = paper ? options.context : 2;
    if (tokens < needed) {
        throw DataError(fmt::format("The text has {} tokens; {} needs at least {}.", tokens,
                                    paper ? "one full window of the paper's rule" : "perplexity",
                                    needed),
                        "Use a longer text or a shorter context.");
    }
}

std::vector<Window> planWindows(const PerplexityOptions& options, std::int64_t tokens)
{
    std::vector<Window> windows;
    std::int64_t scoredUpTo = 0;
    for (std::int64_t begin = 0; begin < tokens; begin += options.stride) {
        const std::int64_t end = std::min(begin + options.context, tokens);
        if (options.rule == PerplexityRule::Paper) {
            if (begin + options.context > tokens) {
                break;
            }
            windows.push_back({begin, options.context, 1});
            continue;
        }
        windows.push_back({begin, end - begin, std::max<std::int64_t>(scoredUpTo - begin, 1)});
        scoredUpTo = end;
        if (end == tokens) {
            break;
        }
    }
    if (options.maxWindows > 0 && std::ssize(windows) > options.maxWindows) {
        windows.resize(static_cast<std::size_t>(options.maxWindows));
    }
    return windows;
}

/// How windows are read.
struct Reading {
    AttentionSpec attention;
    KvFormat cache = KvFormat::Model;

    /// Shapes: ids [windows, seq] int64 -> last hidden states [windows, seq, hidden].
    at::Tensor hidden(const DecoderModel& model, const at::Tensor& ids) const
    {
        if (cache == KvFormat::Model) {
            return forwardHidden(model, ids.to(model.device()), attention);
        }
        CachedForward forward(model, kKvBlockTokens, cache);
        std::vector<at::Tensor> read;
        for (std::int64_t window = 0; window < ids.size(0); ++window) {
            const std::int64_t* const first = ids[window].const_data_ptr<std::int64_t>();
            read.push_back(forward.readWhole(std::vector<TokenId>(first, first + ids.size(1))));
        }
        return at::cat(read);
    }
};

/// Losses of the scored tokens of windows of one shape. Shapes: -> [windows, scored] fp64 on CPU.
at::Tensor windowLosses(const DecoderModel& model, const Reading& reading,
                        const std::vector<TokenId>& tokens, std::span<const Window> windows)
{
    const Window& shape = windows.front();
    const std::int64_t count = std::ssize(windows);
    at::Tensor ids = at::empty({count, shape.length}, at::kLong);
    std::int64_t* row = ids.mutable_data_ptr<std::int64_t>();
    for (const Window& window : windows) {
        std::copy_n(tokens.begin() + window.begin, window.length, row);
        row += window.length;
    }
    const at::Tensor hidden = reading.hidden(model, ids);
    // The position before a token predicts it; what is not scored never meets the head.
    const at::Tensor predicting = hidden.narrow(1, shape.firstScored - 1, shape.scored());
    const at::Tensor targets = ids.narrow(1, shape.firstScored, shape.scored()).to(model.device());
    return tokenLosses(model, predicting.reshape({-1, hidden.size(2)}), targets.reshape({-1}))
        .view({count, shape.scored()})
        .to(at::kCPU, at::kDouble);
}

} // namespace

PerplexityResult evaluatePerplexity(const LoadedModel& model, const std::vector<TokenId>& tokens,
                                    const PerplexityOptions& options,
                                    const ProgressCallback& progress)
{
    const at::NoGradGuard noGrad;
    const DecoderModel& decoder = model.decoder();
    checkOptions(options, std::ssize(tokens));
    requireInVocabulary(tokens, decoder);
    const std::vector<Window> windows = planWindows(options, std::ssize(tokens));
    const std::int64_t quarter = std::max<std::int64_t>(options.context / 4, 1);
    const Reading reading{{.kind = options.attention,
                           .group = options.group.value_or(quarter),
                           .edge = GroupEdge::Clipped},
                          options.cache};
    const std::int64_t batchTokens = decoder.device().is_cpu() ? kBatchTokensCpu : kBatchTokensGpu;
    const std::size_t batch =
        static_cast<std::size_t>(std::max<std::int64_t>(batchTokens / options.context, 1));

    PerplexityResult result{.context = options.context};
    double lossSum = 0.0;
    double meanSum = 0.0;
    for (std::size_t done = 0; done < windows.size();) {
        std::size_t end = done + 1;
        while (end < windows.size() && end - done < batch &&
               windows[end].isShapedLike(windows[done])) {
            ++end;
        }
        const at::Tensor sums =
            windowLosses(decoder, reading, tokens, {&windows[done], end - done}).sum(1);
        for (std::size_t i = done; i < end; ++i) {
            const double sum = sums.const_data_ptr<double>()[i - done];
            lossSum += sum;
            meanSum += sum / static_cast<double>(windows[i].scored());
            result.tokens += windows[i].scored();
            ++result.windows;
        }
        done = end;
        if (progress && !progress({"perplexity", result.windows, std::ssize(windows), "windows"})) {
            throw Cancelled{};
        }
    }
    result.perplexity = options.rule == PerplexityRule::Paper
                            ? std::exp(meanSum / static_cast<double>(result.windows))
                            : std::exp(lossSum / static_cast<double>(result.tokens));
    return result;
}

} // namespace longlora
