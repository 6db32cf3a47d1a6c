// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: cross_entropy.h. Tested against float64 written out naively and by finite
// differences.
#include "kernels/cross_entropy.h"
#include "kernels/cross_entropy_units.h"
#include "kernels/dispatch.h"
#include "kernels/matrix_units.h"
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

/// The largest of `count` logits, `atLeast` that.
template <typename T>
LONGLORA_VECTOR_CLONES Compute<T> largest(const T* z, std::int64_t count, Compute<T> atLeast)
{
    Compute<T> maximum = atLeast;
#pragma omp simd reduction(max : maximum)
    for (std::int64_t v = 0; v < count; ++v) {
        const Compute<T> value = toCompute(z[v]);
        maximum = value > maximum ? value : maximum;
    }
    return maximum;
}

template <typename T>
LONGLORA_VECTOR_CLONES Compute<T> sumOfExp(const T* z, std::int64_t count, Compute<T> maximum)
{
    Compute<T> sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t v = 0; v < count; ++v) {
        sum += vectorExpOfNegative(toCompute(z[v]) - maximum);
    }
    return sum;
}

template <typename T>
LONGLORA_VECTOR_CLONES void scaleExp(T* z, std::int64_t count, Compute<T> maximum,
                                     Compute<T> factor)
{
#pragma omp simd
    for (std::int64_t v = 0; v < count; ++v) {
        z[v] = fromCompute<T>(vectorExpOfNegative(toCompute(z[v]) - maximum) * factor);
    }
}

/// The loops over logits as the vectoriser makes them.
template <typename T>
struct VectorisedLoops {
    using Number = T;
    static Compute<T> largest(const T* z, std::int64_t count, Compute<T> atLeast)
    {
        return kernels::largest(z, count, atLeast);
    }
    static Compute<T> sumOfExp(const T* z, std::int64_t count, Compute<T> maximum)
    {
        return kernels::sumOfExp(z, count, maximum);
    }
    static void scaleExp(T* z, std::int64_t count, Compute<T> maximum, Compute<T> factor)
    {
        kernels::scaleExp(z, count, maximum, factor);
    }
};

/// By hand, where the processor has more.
struct HandmadeLoops {
    using Number = BFloat16;
    static float largest(const BFloat16* z, std::int64_t count, float atLeast)
    {
        return std::max(atLeast, units::largest(z, count));
    }
    static float sumOfExp(const BFloat16* z, std::int64_t count, float maximum)
    {
        return units::sumOfExp(z, count, maximum);
    }
    static void scaleExp(BFloat16* z, std::int64_t count, float maximum, float factor)
    {
        units::scaleExp(z, count, maximum, factor);
    }
};

// The maximum so far is enough: when a block has a larger one, the sum is scaled down. So the row
// is read once, block by block, each block twice while it is in the first cache.
template <typename Loops, typename T = typename Loops::Number>
Partition<Compute<T>> partition(const T* z, std::int64_t vocab)
{
    using C = Compute<T>;
    constexpr std::int64_t kBlock = 2048;
    constexpr std::int64_t kSummed = 256; // in C: thousands one by one would lose two digits

    // The lowest finite number, not -infinity: -infinity - -infinity would make a NaN of a block
    // of masked logits.
    C maximum = std::numeric_limits<C>::lowest();
    double sum = 0.0;
    for (std::int64_t begin = 0; begin < vocab; begin += kBlock) {
        const std::int64_t end = std::min(begin + kBlock, vocab);
        const C blockMaximum = Loops::largest(z + begin, end - begin, maximum);
        double blockSum = 0.0;
        for (std::int64_t first = begin; first < end; first += kSummed) {
            blockSum += static_cast<double>(
                Loops::sumOfExp(z + first, std::min(kSummed, end - first), blockMaximum));
        }
        if (blockMaximum > maximum) {
            sum *= std::exp(static_cast<double>(maximum) - static_cast<double>(blockMaximum));
            maximum = blockMaximum;
        }
        sum += blockSum;
    }
    return {maximum, sum};
}

template <typename Loops, typename T = typename Loops::Number>
void writeGradient(T* z, std::int64_t vocab, std::int64_t target, Partition<Compute<T>> total,
                   double scale)
{
    using C = Compute<T>;
    const double probability =
        std::exp(static_cast<double>(toCompute(z[target])) - static_cast<double>(total.maximum)) /
        total.sum;
    Loops::scaleExp(z, vocab, total.maximum, static_cast<C>(scale / total.sum));
    z[target] = fromCompute<T>(static_cast<C>(scale * (probability - 1.0)));
}

template <typename Loops, typename T = typename Loops::Number>
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
    const Partition<Compute<T>> total = partition<Loops>(z, vocab);
    const double loss = static_cast<double>(total.maximum) + std::log(total.sum) -
                        static_cast<double>(toCompute(z[target]));
    if (args.gradient) {
        writeGradient<Loops>(z, vocab, target, total, args.scale);
    }
    return loss;
}

template <typename Loops, typename T = typename Loops::Number>
void scoreRows(const SoftmaxCrossEntropy& args)
{
    const std::int64_t vocab = args.logits.sizes[1];
    parallelFor(args.logits.sizes[0], rowGrain(vocab), args.stream.threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t r = begin; r < end; ++r) {
                        args.losses[r] =
                            scoreRow<Loops>(args.logits.row<T>(r), vocab, args.targets[r], args);
                    }
                });
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
    if (args.logits.dtype == DType::BFloat16 && hasMatrixUnits()) {
        scoreRows<HandmadeLoops>(args);
        return;
    }
    dispatch(args.logits.dtype,
             [&](auto tag) { scoreRows<VectorisedLoops<typename decltype(tag)::Type>>(args); });
}

} // namespace longlora::kernels
