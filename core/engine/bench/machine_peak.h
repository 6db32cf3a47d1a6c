// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/tensor/torch_compat.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace longlora {

/// What the machine reaches at best, measured now: what a benchmark's floor is made of.
struct MachinePeak {
    double flopsPerSecond = 0.0; ///< of a matrix product in the place's dtype, 2 per multiplication
    double bytesPerSecond =
        0.0; ///< read from memory: a copy counts what it reads and what it writes
};

/// Takes about a second. The best of several tries: what other programs take is not the machine's.
MachinePeak measureMachinePeak(const ComputePlace& place);

enum class ProductMaker : std::uint8_t {
    LibTorch, ///< what a floor is made of: anybody can measure it
    Ours      ///< tensor/matrix_product, where that is another
};
/// FLOP/s of `tries` large matrix products in the place's dtype, one after another. Nothing stays
/// allocated.
std::vector<double> productSpeeds(const ComputePlace& place, std::int64_t tries,
                                  ProductMaker maker = ProductMaker::LibTorch);

/// The seconds of one call, its work on `device` included: the median of `rounds`, after one that
/// warms up.
double medianSeconds(const at::Device& device, std::int64_t rounds,
                     const std::function<void()>& call);

} // namespace longlora
