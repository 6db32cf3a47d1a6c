// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"
#include "kernels/tensor_view.h"

#include <cstdint>

namespace longlora::kernels {

/// AdamW with moments in 16 or 8 bits instead of 32. For gradient g, weight w and step t from 1:
///
///   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
///   w = w - rate (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + decay w)
///
/// Source: Loshchilov and Hutter 2019 (arXiv:1711.05101), alg. 2, in fp32; what is kept of m and v
/// is rounded after its use, up or down at random in proportion to the distance. Rounding to the
/// nearest would leave v where it is: beta2 = 0.999 moves it by less than half a step of its
/// format. Source: Zamirai et al. 2020 (arXiv:2010.06192), sec. 3.
struct AdamWRates {
    double learningRate = 0.0;
    double beta1 = 0.9;
    double beta2 = 0.95;
    double epsilon = 1e-8;
    double weightDecay = 0.0;
    std::int64_t step = 1;  ///< t
    std::uint64_t seed = 0; ///< of the rounding; another for every tensor
};

/// Weights that share an element of the 8-bit form and the seed of their rounding.
inline constexpr std::int64_t kAdamWBlock = 128;

/// Moments in bf16. Cost a weight: 12 bytes read, 8 written, 20 flops.
struct AdamWBFloat16 {
    float* weights = nullptr; ///< [count], as gradients and moments
    const float* gradients = nullptr;
    BFloat16* first = nullptr;
    BFloat16* second = nullptr;
    std::int64_t count = 0;
    AdamWRates rates;
    Stream stream;
};
/// Throws: KernelError if the device cannot run it.
void adamW(const AdamWBFloat16& args);

/// Moments of a block of weights in 8 bits each: floats of 4 bits of exponent, in units of a scale
/// that puts the block's largest on the largest code; at most 1/8 of an m and 1/16 of a sqrt(v)
/// apart, down to 2^-14 of the scale, evenly below. Blocks as in Dettmers et al. 2022
/// (arXiv:2110.02861), sec. 2.1. A root that is not 0 is kept as no less than the smallest code:
/// divided by less, m would be a step out of proportion.
/// A block with NaN or infinity in it is NaN throughout.
struct EightBitMoments {
    float firstScale, secondScale;
    std::uint8_t first[kAdamWBlock];  ///< m: sign, 4 bits of exponent, 3 of mantissa
    std::uint8_t second[kAdamWBlock]; ///< sqrt(v): 4 bits of exponent, 4 of mantissa
};
static_assert(sizeof(EightBitMoments) == 2 * kAdamWBlock + 8);

constexpr std::int64_t eightBitBlocks(std::int64_t weights)
{
    return (weights + kAdamWBlock - 1) / kAdamWBlock;
}

/// Moments in 8 bits. Cost a weight: 10.06 bytes read, 6.06 written, 40 flops.
struct AdamWEightBit {
    float* weights = nullptr; ///< [count], as gradients
    const float* gradients = nullptr;
    EightBitMoments* moments = nullptr; ///< [eightBitBlocks(count)]
    std::int64_t count = 0;
    AdamWRates rates;
    Stream stream;
};
/// Throws: KernelError if the device cannot run it.
void adamW(const AdamWEightBit& args);

namespace cuda {
/// The CUDA forms, for the functions above to call.
void adamW(const AdamWBFloat16& args);
void adamW(const AdamWEightBit& args);
} // namespace cuda

} // namespace longlora::kernels
