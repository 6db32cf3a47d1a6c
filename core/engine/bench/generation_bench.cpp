// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/bench/generation_bench.h"

#include "core/engine/infer/cached_forward.h"
#include "core/engine/model/random_model.h"
#include "core/spec/plan/time_planner.h"

#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <random>
#include <vector>

namespace longlora {

namespace {

std::vector<TokenId> randomPrompt(std::int64_t tokens, std::int64_t vocabulary)
{
    std::mt19937_64 random(1);
    std::uniform_int_distribution<TokenId> token(0, static_cast<TokenId>(vocabulary - 1));
    std::vector<TokenId> prompt(static_cast<std::size_t>(tokens));
    for (TokenId& id : prompt) {
        id = token(random);
    }
    return prompt;
}

/// Forward alone; of the head only the last token's logits are computed.
double prefillFlops(const ModelConfig& shape, std::int64_t tokens)
{
    RunConfig config;
    config.attention.kind = AttentionKind::Full;
    const double linears = 2.0 * static_cast<double>(shape.layerCount) * layerLinearNumbers(shape);
    const double attention = 4.0 * static_cast<double>(shape.headCount * shape.headDim) *
                             visiblePairs(config, shape.slidingWindow, tokens) *
                             static_cast<double>(shape.layerCount);
    return static_cast<double>(tokens) * linears + attention;
}

} // namespace

GenerationBench benchGeneration(const ModelConfig& shape, const ComputePlace& place,
                                const GenerationLoad& load, const ProgressCallback& progress)
{
    const auto [promptTokens, newTokens, cache] = load;
    using Clock = std::chrono::steady_clock;
    const c10::NoGradGuard noGradients;
    GenerationBench bench;
    bench.promptTokens = promptTokens;
    bench.newTokens = newTokens;
    bench.machine = measureMachinePeak(place);
    bench.prefillFlops = prefillFlops(shape, promptTokens);

    const DecoderModel model = randomModel(shape, 1, place);
    CachedForward forward(model, 0, cache);
    resetPeakMemory(place.device);
    const std::vector<TokenId> prompt = randomPrompt(promptTokens, shape.vocabularySize);
    const auto start = Clock::now();
    at::Tensor logits = forward.prefill(prompt, promptTokens + newTokens + 1, progress);
    auto next = static_cast<TokenId>(logits.argmax().item<std::int64_t>());
    bench.prefillSeconds = std::chrono::duration<double>(Clock::now() - start).count();
    bench.secondsPerToken = medianSeconds(place.device, newTokens, [&] {
        next = static_cast<TokenId>(forward.decode(next).argmax().item<std::int64_t>());
    });
    bench.usesGraph = forward.usesGraph();
    // Every weight but the embedding, of which one row is seen; a tied head is the embedding.
    const std::int64_t seen = shape.parameterCount() -
                              (shape.tiedEmbeddings ? 0 : shape.vocabularySize * shape.hiddenSize);
    bench.bytesPerToken =
        static_cast<double>(seen) * static_cast<double>(c10::elementSize(place.dtype)) +
        forward.cache().bytesFor(promptTokens + newTokens / 2);
    bench.peakBytes = peakMemory(place.device);
    return bench;
}

} // namespace longlora
