// SPDX-License-Identifier: GPL-3.0-or-later
// Blocks of 32: y = d q (Q8_0), d (q - 8) (Q4_0), d (q - 16) (Q5_0), d q + m (Q4_1, Q5_1), with d
// and m in half precision. Blocks of 256 have smaller blocks inside, whose scales and minima are
// quantized once more: y = (d scale) q - (dmin min) (Q4_K, Q5_K), (d scale) (q - 32) (Q6_K).
// Compiled without contraction of a b + c: every product is rounded, as in ggml.
#include "core/engine/checkpoint/gguf/dequantize.h"

#include "core/engine/checkpoint/gguf/narrow_float.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace longlora {

namespace {

using Bytes = const std::uint8_t*;

constexpr int kBlock = 32;
constexpr int kSuperBlock = 256;

std::uint16_t bitsAt(Bytes at)
{
    return static_cast<std::uint16_t>(at[0] | at[1] << 8);
}

float halfAt(Bytes at)
{
    return floatOfHalf(bitsAt(at));
}

void blockF32(Bytes in, float* out)
{
    std::memcpy(out, in, sizeof(float));
}

void blockF16(Bytes in, float* out)
{
    *out = halfAt(in);
}

void blockBF16(Bytes in, float* out)
{
    *out = floatOfBfloat(bitsAt(in));
}

/// Numbers j and j + 16 share byte j, the first in its lower half.
void blockQ4_0(Bytes in, float* out)
{
    const float d = halfAt(in);
    for (int j = 0; j < kBlock / 2; ++j) {
        const int both = in[2 + j];
        out[j] = static_cast<float>((both & 0xF) - 8) * d;
        out[j + kBlock / 2] = static_cast<float>((both >> 4) - 8) * d;
    }
}

void blockQ4_1(Bytes in, float* out)
{
    const float d = halfAt(in);
    const float m = halfAt(in + 2);
    for (int j = 0; j < kBlock / 2; ++j) {
        const int both = in[4 + j];
        out[j] = static_cast<float>(both & 0xF) * d + m;
        out[j + kBlock / 2] = static_cast<float>(both >> 4) * d + m;
    }
}

std::uint32_t fifthBits(Bytes at)
{
    return at[0] | static_cast<std::uint32_t>(at[1]) << 8 |
           static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

/// Number j of 32 with five bits: the fifth is bit j of `high`.
int fiveBits(Bytes low, std::uint32_t high, int j)
{
    const int four = j < kBlock / 2 ? low[j] & 0xF : low[j - kBlock / 2] >> 4;
    return four | static_cast<int>(high >> j & 1U) << 4;
}

void blockQ5_0(Bytes in, float* out)
{
    const float d = halfAt(in);
    const std::uint32_t high = fifthBits(in + 2);
    for (int j = 0; j < kBlock; ++j) {
        out[j] = static_cast<float>(fiveBits(in + 6, high, j) - 16) * d;
    }
}

void blockQ5_1(Bytes in, float* out)
{
    const float d = halfAt(in);
    const float m = halfAt(in + 2);
    const std::uint32_t high = fifthBits(in + 4);
    for (int j = 0; j < kBlock; ++j) {
        out[j] = static_cast<float>(fiveBits(in + 8, high, j)) * d + m;
    }
}

void blockQ8_0(Bytes in, float* out)
{
    const float d = halfAt(in);
    for (int j = 0; j < kBlock; ++j) {
        out[j] = static_cast<float>(static_cast<std::int8_t>(in[2 + j])) * d;
    }
}

struct ScaleAndMinimum {
    int scale = 0;
    int minimum = 0;
};

/// Twelve bytes hold eight scales and eight minima of six bits: the first four of each in the low
/// bits of bytes 0 to 7, of the others four bits in bytes 8 to 11 and two above the first ones.
ScaleAndMinimum sixBits(Bytes scales, int j)
{
    if (j < 4) {
        return {scales[j] & 63, scales[j + 4] & 63};
    }
    return {(scales[j + 4] & 0xF) | (scales[j - 4] >> 6) << 4,
            (scales[j + 4] >> 4) | (scales[j] >> 6) << 4};
}

/// Eight blocks of 32; two share 32 bytes of four bits. `high`: null, or 32 bytes with a fifth bit
/// of each number, bit b of byte i for number i of block b.
void blockOfSixBitScales(Bytes in, Bytes low, Bytes high, float* out)
{
    const float d = halfAt(in);
    const float dmin = halfAt(in + 2);
    for (int block = 0; block < 8; ++block) {
        const ScaleAndMinimum six = sixBits(in + 4, block);
        const float scale = d * static_cast<float>(six.scale);
        const float minimum = dmin * static_cast<float>(six.minimum);
        const int shift = block % 2 * 4;
        for (int i = 0; i < kBlock; ++i) {
            int q = low[block / 2 * kBlock + i] >> shift & 0xF;
            if (high != nullptr) {
                q += (high[i] >> block & 1) * 16;
            }
            out[block * kBlock + i] = scale * static_cast<float>(q) - minimum;
        }
    }
}

void blockQ4_K(Bytes in, float* out)
{
    blockOfSixBitScales(in, in + 16, nullptr, out);
}

void blockQ5_K(Bytes in, float* out)
{
    blockOfSixBitScales(in, in + 16 + kBlock, in + 16, out);
}

/// Sixteen blocks of 16 with scales of eight bits. In each half of 128 numbers, number 32 b + i has
/// its four low bits in byte i + 32 (b mod 2), above for b = 2, 3, and its two high bits at bit
/// 2 b of byte i.
void blockQ6_K(Bytes in, float* out)
{
    Bytes const low = in;
    Bytes const high = in + 128;
    Bytes const scales = in + 192;
    const float d = halfAt(in + 208);
    for (int n = 0; n < kSuperBlock; ++n) {
        const int half = n / 128;
        const int b = n % 128 / 32;
        const int i = n % 32;
        const int four = low[64 * half + 32 * (b % 2) + i] >> (b / 2 * 4) & 0xF;
        const int two = high[32 * half + i] >> (2 * b) & 3;
        const auto scale = static_cast<float>(static_cast<std::int8_t>(scales[n / 16]));
        out[n] = d * scale * static_cast<float>((four | two << 4) - 32);
    }
}

template <void (*block)(Bytes, float*)>
void eachBlock(const GgmlTypeInfo& info, Bytes in, std::int64_t count, float* out)
{
    for (std::int64_t i = 0; i < count; i += info.blockLength) {
        block(in, out + i);
        in += info.blockBytes;
    }
}

} // namespace

void dequantize(GgmlType type, const std::byte* blocks, std::int64_t count, float* out)
{
    const auto* const in = reinterpret_cast<Bytes>(blocks);
    const GgmlTypeInfo& info = ggmlTypeInfo(type);
    switch (type) {
    case GgmlType::F32:
        return eachBlock<blockF32>(info, in, count, out);
    case GgmlType::F16:
        return eachBlock<blockF16>(info, in, count, out);
    case GgmlType::BF16:
        return eachBlock<blockBF16>(info, in, count, out);
    case GgmlType::Q4_0:
        return eachBlock<blockQ4_0>(info, in, count, out);
    case GgmlType::Q4_1:
        return eachBlock<blockQ4_1>(info, in, count, out);
    case GgmlType::Q5_0:
        return eachBlock<blockQ5_0>(info, in, count, out);
    case GgmlType::Q5_1:
        return eachBlock<blockQ5_1>(info, in, count, out);
    case GgmlType::Q8_0:
        return eachBlock<blockQ8_0>(info, in, count, out);
    case GgmlType::Q4_K:
        return eachBlock<blockQ4_K>(info, in, count, out);
    case GgmlType::Q5_K:
        return eachBlock<blockQ5_K>(info, in, count, out);
    case GgmlType::Q6_K:
        return eachBlock<blockQ6_K>(info, in, count, out);
    }
}

} // namespace longlora
