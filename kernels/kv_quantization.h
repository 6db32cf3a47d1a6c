// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"
#include "kernels/tensor_view.h"

#include <cstdint>

namespace longlora::kernels {

/// 32 numbers of a vector in 4 bits each, on a grid of 16 steps that spans them: 5 bits a number.
///
///   minimum = min x rounded down,   scale = (max x - minimum) / 15 rounded up,   both to bf16
///   code = round((x - minimum) / scale),   y = minimum + scale code
///
/// Rounded outwards, the grid reaches from the smallest to the largest: |y - x| <= scale / 2, but
/// for rounding in fp32. A group with NaN or infinity in it is NaN throughout.
struct FourBitGroup {
    static constexpr std::int64_t kNumbers = 32;

    BFloat16 scale, minimum;
    std::uint8_t codes[kNumbers / 2]; ///< of i in the low half of byte i, of 16 + i in the high
};
static_assert(sizeof(FourBitGroup) == 20);

/// Groups of a vector; what fills up the last one is 0.
constexpr std::int64_t fourBitGroups(std::int64_t headDim)
{
    return (headDim + FourBitGroup::kNumbers - 1) / FourBitGroup::kNumbers;
}

/// wide [32] = the numbers.
[[gnu::always_inline]] inline void widen(const FourBitGroup& group, float* wide)
{
    constexpr std::int64_t kHalf = FourBitGroup::kNumbers / 2;
    const float scale = toCompute(group.scale), minimum = toCompute(group.minimum);
    for (std::int64_t i = 0; i < kHalf; ++i) {
        wide[i] = minimum + scale * static_cast<float>(group.codes[i] & 15);
        wide[kHalf + i] = minimum + scale * static_cast<float>(group.codes[i] >> 4);
    }
}

/// Keys or values of all tokens: [kv heads, headTokens, fourBitGroups(head_dim)].
struct FourBitVectors {
    FourBitGroup* groups = nullptr;
    std::int64_t headTokens = 0; ///< tokens that a head has room for
};

/// What is stored for a vector depends on that vector alone, so a cache that grows or is cut holds
/// what one written at once would hold.
/// Shapes: x [kv heads, tokens, head_dim], stride 1 in head_dim; any dtype, quantised in fp32.
/// Cost a number of b bytes: b read, 0.625 written, 6 flops.
struct FourBitQuantize {
    ConstTensorView x;
    FourBitVectors to;
    Stream stream;
};
/// Throws: KernelError if the device cannot run it.
void fourBitQuantize(const FourBitQuantize& args);

/// Shapes: y [kv heads, tokens, head_dim], stride 1 in head_dim; any dtype, one rounding.
/// Cost a number of b bytes: 0.625 read, b written, 2 flops.
struct FourBitDequantize {
    FourBitVectors from;
    TensorView y;
    Stream stream;
};
/// Throws: KernelError if the device cannot run it.
void fourBitDequantize(const FourBitDequantize& args);

namespace cuda {
/// The CUDA forms, for the functions above to call.
void fourBitQuantize(const FourBitQuantize& args);
void fourBitDequantize(const FourBitDequantize& args);
} // namespace cuda

} // namespace longlora::kernels
