// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, cost: nf4.h. Tested against bitsandbytes' own results (tests/golden/nf4).
#include "kernels/dispatch.h"
#include "kernels/nf4.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

namespace longlora::kernels {

// Quantiles of the standard normal distribution, scaled to [-1, 1]: 8 for the negative half, 9 for
// the positive, 0 exact in both. Source: Dettmers et al. 2023, app. E.
const std::array<float, 16> kNf4Levels{
    -1.0F,
    -0.6961928009986877F,
    -0.5250730514526367F,
    -0.39491748809814453F,
    -0.28444138169288635F,
    -0.18477343022823334F,
    -0.09105003625154495F,
    0.0F,
    0.07958029955625534F,
    0.16093020141124725F,
    0.24611230194568634F,
    0.33791524171829224F,
    0.44070982933044434F,
    0.5626170039176941F,
    0.7229568362236023F,
    1.0F,
};

namespace {

constexpr unsigned kCodeOfZero = 7;

/// Number of borders between levels that lie below `x`: the code of the nearest level.
unsigned nearestCode(float x)
{
    unsigned code = 0;
    for (std::size_t i = 0; i + 1 < kNf4Levels.size(); ++i) {
        code += x > (kNf4Levels[i] + kNf4Levels[i + 1]) / 2.0F ? 1U : 0U;
    }
    return code;
}

template <typename T>
void quantizeBlock(const T* x, std::int64_t count, std::uint8_t* packed, float& absmax)
{
    absmax = 0.0F;
    for (std::int64_t i = 0; i < count; ++i) {
        absmax = std::max(absmax, std::abs(static_cast<float>(toCompute(x[i]))));
    }
    const auto codeOf = [&](std::int64_t i) {
        return i < count && absmax > 0.0F
                   ? nearestCode(static_cast<float>(toCompute(x[i])) / absmax)
                   : kCodeOfZero;
    };
    for (std::int64_t i = 0; i < count; i += 2) {
        packed[i / 2] = static_cast<std::uint8_t>(codeOf(i) << 4 | codeOf(i + 1));
    }
}

/// Numbers [begin, end) of the whole array, which lie in one row; `begin` is even.
template <typename T>
LONGLORA_VECTOR_CLONES void dequantizeRange(const Nf4Dequantize& args, std::int64_t begin,
                                            std::int64_t end, T* y)
{
    using C = Compute<T>;
    while (begin < end) {
        const std::int64_t block = begin / kNf4BlockSize;
        const std::int64_t stop = std::min(end, (block + 1) * kNf4BlockSize);
        const float absmax = args.absmax[block];
        T scaled[16];
        for (int level = 0; level < 16; ++level) {
            scaled[level] = fromCompute<T>(C(kNf4Levels[static_cast<std::size_t>(level)] * absmax));
        }
        const std::uint8_t* const packed = args.packed + begin / 2;
        for (std::int64_t i = 0; i < (stop - begin) / 2; ++i) {
            y[2 * i] = scaled[packed[i] >> 4];
            y[2 * i + 1] = scaled[packed[i] & 15U];
        }
        if ((stop - begin) % 2 != 0) {
            y[stop - begin - 1] = scaled[packed[(stop - begin) / 2] >> 4];
        }
        y += stop - begin;
        begin = stop;
    }
}

} // namespace

void nf4Quantize(const Nf4Quantize& args)
{
    assert(args.x.rank == 2 && args.x.strides[1] == 1 && args.x.strides[0] == args.x.sizes[1]);
    const std::int64_t count = args.x.sizes[0] * args.x.sizes[1];
    constexpr std::int64_t kBlocksPerThread = 256;
    dispatch(args.x.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        const T* const x = args.x.row<T>(0);
        parallelFor(nf4Blocks(count), kBlocksPerThread, args.threads,
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t block = begin; block < end; ++block) {
                            const std::int64_t first = block * kNf4BlockSize;
                            quantizeBlock(x + first, std::min(kNf4BlockSize, count - first),
                                          args.packed + first / 2, args.absmax[block]);
                        }
                    });
    });
}

void nf4Dequantize(const Nf4Dequantize& args)
{
    assert(args.y.rank == 2 && args.y.strides[1] == 1);
    const std::int64_t columns = args.y.sizes[1];
    assert(columns % 2 == 0 || args.y.sizes[0] == 1);
    if (runsOnCuda(args.stream, "nf4Dequantize")) {
        if constexpr (kCudaCompiled) {
            cuda::nf4Dequantize(args);
        }
        return;
    }
    dispatch(args.y.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        parallelFor(args.y.sizes[0], rowGrain(columns), args.stream.threads,
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t r = begin; r < end; ++r) {
                            dequantizeRange(args, r * columns, (r + 1) * columns,
                                            args.y.template row<T>(r));
                        }
                    });
    });
}

const std::array<float, 256>& absmaxLevels()
{
    static const std::array<float, 256> levels = [] {
        // Seven decades; in the i-th the middles of 2^i equal parts of [0.1, 1], of both signs.
        std::array<float, 256> values{0.0F, 1.0F};
        std::size_t next = 2;
        constexpr int kDecades = 7;
        for (int i = 0; i < kDecades; ++i) {
            const int parts = 1 << i;
            const double decade = std::pow(10.0, i - (kDecades - 1));
            for (int part = 0; part < parts; ++part) {
                const double middle = 0.1 + 0.9 * (part + 0.5) / parts;
                values[next++] = static_cast<float>(decade * middle);
                values[next++] = static_cast<float>(-decade * middle);
            }
        }
        std::sort(values.begin(), values.end());
        return values;
    }();
    return levels;
}

float absmaxQuantize(const AbsmaxQuantize& args)
{
    double sum = 0.0;
    for (std::int64_t i = 0; i < args.count; ++i) {
        sum += static_cast<double>(args.absmax[i]);
    }
    const auto offset =
        static_cast<float>(args.count > 0 ? sum / static_cast<double>(args.count) : 0.0);
    const std::array<float, 256>& levels = absmaxLevels();
    for (std::int64_t first = 0; first < args.count; first += kAbsmaxGroupSize) {
        const std::int64_t end = std::min(args.count, first + kAbsmaxGroupSize);
        float scale = 0.0F;
        for (std::int64_t i = first; i < end; ++i) {
            scale = std::max(scale, std::abs(args.absmax[i] - offset));
        }
        args.scales[first / kAbsmaxGroupSize] = scale;
        for (std::int64_t i = first; i < end; ++i) {
            const float x = scale > 0.0F ? (args.absmax[i] - offset) / scale : 0.0F;
            const auto above = std::lower_bound(levels.begin(), levels.end(), x);
            const auto index = static_cast<std::size_t>(above - levels.begin());
            const bool takesLower =
                index == levels.size() || (index > 0 && x - levels[index - 1] <= levels[index] - x);
            args.codes[i] = static_cast<std::uint8_t>(takesLower ? index - 1 : index);
        }
    }
    return offset;
}

void absmaxDequantize(const AbsmaxDequantize& args)
{
    if (runsOnCuda(args.stream, "absmaxDequantize")) {
        if constexpr (kCudaCompiled) {
            cuda::absmaxDequantize(args);
        }
        return;
    }
    const std::array<float, 256>& levels = absmaxLevels();
    for (std::int64_t i = 0; i < args.count; ++i) {
        args.absmax[i] = levels[args.codes[i]] * args.scales[i / kAbsmaxGroupSize] + args.offset;
    }
}

} // namespace longlora::kernels
