// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/bench/machine_peak.h"
#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"

namespace longlora {

/// Attention of one layer on random queries, keys and values, beside a large matrix product.
struct AttentionBench {
    std::int64_t tokens = 0;
    double forwardSeconds = 0.0;  ///< median
    double backwardSeconds = 0.0; ///< median
    double forwardFlops = 0.0;    ///< 4 x head_dim per head and visible pair
    MachinePeak machine;

    double backwardFlops() const { return 2.5 * forwardFlops; }
    double forwardShare() const { return forwardFlops / machine.flopsPerSecond / forwardSeconds; }
    double backwardShare() const
    {
        return backwardFlops() / machine.flopsPerSecond / backwardSeconds;
    }
};

/// `config` names context and pattern.
AttentionBench benchAttention(const ModelConfig& shape, const RunConfig& config,
                              const ComputePlace& place, std::int64_t rounds);

} // namespace longlora
