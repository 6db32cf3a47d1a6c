// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/bench/attention_bench.h"

#include "core/engine/attention/segmented_attention.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/plan/time_planner.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

namespace longlora {

AttentionBench benchAttention(const ModelConfig& shape, const RunConfig& config,
                              const ComputePlace& place, std::int64_t rounds)
{
    const c10::NoGradGuard noGradients;
    AttentionBench bench;
    bench.machine = measureMachinePeak(place);
    bench.tokens = rowLength(shape, config);
    bench.forwardFlops = 4.0 * static_cast<double>(shape.headCount * shape.headDim) *
                         visiblePairs(config, shape.slidingWindow, bench.tokens);

    const auto options = at::TensorOptions(place.device).dtype(place.dtype);
    const auto random = [&](std::int64_t heads) {
        return at::randn({1, bench.tokens, heads, shape.headDim}, options);
    };
    const at::Tensor q = random(shape.headCount);
    const at::Tensor k = random(shape.kvHeadCount);
    const at::Tensor v = random(shape.kvHeadCount);
    const at::Tensor gradient = random(shape.headCount);
    const DenseAttentionGradients into{at::empty_like(q), at::empty_like(k), at::empty_like(v)};
    const AttentionSpec spec{config.attention.kind, groupSize(config.attention, bench.tokens),
                             config.attention.edge, shape.slidingWindow};
    const AttentionLayout layout = attentionLayout(spec, shape.headCount, 1, bench.tokens);

    SegmentedAttention forward;
    bench.forwardSeconds = medianSeconds(
        place.device, rounds, [&] { forward = segmentedAttentionForward(q, k, v, layout); });
    bench.backwardSeconds = medianSeconds(place.device, rounds, [&] {
        segmentedAttentionBackward({q, k, v, gradient}, forward, layout, into);
    });
    return bench;
}

} // namespace longlora
