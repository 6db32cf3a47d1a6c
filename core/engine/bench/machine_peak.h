// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/tensor/torch_compat.h"

#include <functional>

namespace longlora {

/// What the machine reaches at best, measured now: what a benchmark's floor is made of.
struct MachinePeak {
    double flopsPerSecond = 0.0; ///< of a matrix product in the place's dtype, 2 per multiplication
    double bytesPerSecond =
        0.0; ///< read from memory: a copy counts what it reads and what it writes
};

/// Takes about a second. The best of several tries: what other programs take is not the machine's.
MachinePeak measureMachinePeak(const ComputePlace& place);

/// The seconds of one call, its work on `device` included: the median of `rounds`, after one that
/// warms up.
double medianSeconds(const at::Device& device, std::int64_t rounds,
                     const std::function<void()>& call);

} // namespace longlora
