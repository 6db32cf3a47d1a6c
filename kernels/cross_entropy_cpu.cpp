// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: cross_entropy.h. Tested against float64 written out naively and by finite
// differences.
#include "kernels/cross_entropy.h"
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace longlora::kernels {

namespace {

/// sum_v exp(z[v]) = sum * exp(maximum).
template <typename C>
struct Partition {
    C maximum;
    double sum;
};

// The maximum so far is enough: when a block has a larger one, the sum is scaled down. So the row
// is read once, block by block, each block twice while it is in the first cache.
template <typename T>
LONGLORA_VECTOR_CLONES Partition<Compute<T>> partition(const T* z, std::int64_t vocab)
{
    using C = Compute<T>;
    constexpr std::int64_t kBlock = 2048;
    constexpr std::int64_t kSummed = 256; // in C

    // The lowest finite number, not -infinity: -infinity - -infinity would make a NaN of a block
    // of masked logits.
    C maximum = std::numeric_limits<C>::lowest();
    double sum = 0.0;
    for (std::int64_t begin = 0; begin < vocab; begin += kBlock) {
        const std::int64_t end = std::min(begin + kBlock, vocab);
        C blockMaximum = maximum;
#pragma omp simd reduction(max : blockMaximum)
        for (std::int64_t v = begin; v < end; ++v) {
            const C value = toCompute(z[v]);
            blockMaximum = value > blockMaximum ? value : blockMaximum;
        }
        double blockSum = 0.0; // thousands of floats one by one would lose two digits
        for (std::int64_t first = begin; first < end; first += kSummed) {
            C some = 0;
#pragma omp simd reduction(+ : some)
            for (std::int64_t v = first; v < std::min(first + kSummed, end); ++v) {
                some += vectorExpOfNegative(toCompute(z[v]) - blockMaximum);
            }
            blockSum += static_cast<double>(some);
        }
        if (blockMaximum > maximum) {
            sum *= std::exp(static_cast<double>(maximum) - static_cast<double>(blockMaximum));
            maximum = blockMaximum;
        }
        sum += blockSum;
    }
    return {maximum, sum};
}

template <typename T>
LONGLORA_VECTOR_CLONES void writeGradient(T* z, std::int64_t vocab, std::int64_t target,
                                          Partition<Compute<T>> total, double scale)
{
    using C = Compute<T>;
    const C maximum = total.maximum;
    const C factor = static_cast<C>(scale / total.sum);
    const double probability =
        std::exp(static_cast<double>(toCompute(z[target])) - static_cast<double>(maximum)) /
        total.sum;
#pragma omp simd
    for (std::int64_t v = 0; v < vocab; ++v) {
        z[v] = fromCompute<T>(vectorExpOfNegative(toCompute(z[v]) - maximum) * factor);
    }
    z[target] = fromCompute<T>(static_cast<C>(scale * (probability - 1.0)));
}

template <typename T>
double scoreRow(T* z, std::int64_t vocab, std::int64_t target, const SoftmaxCrossEntropy& args)
{
    if (target == kIgnoredTarget) {
        if (args.gradient) {
            std::fill_n(z, vocab, T{});
        }
        return 0.0;
    }
    if (target < 0 || target >= vocab) {
        if (args.gradient) {
            std::fill_n(z, vocab, fromCompute<T>(std::numeric_limits<Compute<T>>::quiet_NaN()));
        }
        return std::numeric_limits<double>::quiet_NaN();
    }
    const Partition<Compute<T>> total = partition(z, vocab);
    const double loss = static_cast<double>(total.maximum) + std::log(total.sum) -
                        static_cast<double>(toCompute(z[target]));
    if (args.gradient) {
        writeGradient(z, vocab, target, total, args.scale);
    }
    return loss;
}

} // namespace

void softmaxCrossEntropy(const SoftmaxCrossEntropy& args)
{
    assert(args.logits.rank == 2 && args.logits.strides[1] == 1);
    if (runsOnCuda(args.stream, "softmaxCrossEntropy")) {
        if constexpr (kCudaCompiled) {
            cuda::softmaxCrossEntropy(args);
        }
        return;
    }
    const std::int64_t vocab = args.logits.sizes[1];
    dispatch(args.logits.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        parallelFor(args.logits.sizes[0], rowGrain(vocab), args.stream.threads,
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t r = begin; r < end; ++r) {
                            args.losses[r] =
                                scoreRow(args.logits.row<T>(r), vocab, args.targets[r], args);
                        }
                    });
    });
}

} // namespace longlora::kernels
