// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, cost: rms_norm.h. Tested against float64 written out naively and by finite
// differences.
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/rms_norm.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

namespace longlora::kernels {

namespace {

template <typename T>
LONGLORA_VECTOR_CLONES Compute<T> normaliseRow(const T* x, const T* weight, T* y,
                                               std::int64_t columns, double epsilon)
{
    using C = Compute<T>;
    double squares = 0.0; // thousands of floats one by one would lose two digits
#pragma omp simd reduction(+ : squares)
    for (std::int64_t c = 0; c < columns; ++c) {
        const C value = toCompute(x[c]);
        squares += static_cast<double>(value * value);
    }
    const double mean = squares / static_cast<double>(columns);
    const C rho = static_cast<C>(1.0 / std::sqrt(mean + epsilon));
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) {
        y[c] = fromCompute<T>(toCompute(x[c]) * rho * toCompute(weight[c]));
    }
    return rho;
}

template <typename T>
struct GradientRow {
    const T* x;
    const T* dY;
    T* dX;
    Compute<T> rho;
};

// dX may be dY: each element is read before it is written, and by its own iteration alone.
template <typename T>
LONGLORA_VECTOR_CLONES void inputGradient(GradientRow<T> row, const T* weight, std::int64_t columns)
{
    using C = Compute<T>;
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t c = 0; c < columns; ++c) {
        sum +=
            static_cast<double>(toCompute(row.dY[c]) * toCompute(weight[c]) * toCompute(row.x[c]));
    }
    const C pull = row.rho * row.rho * static_cast<C>(sum / static_cast<double>(columns));
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) {
        const C direct = toCompute(row.dY[c]) * toCompute(weight[c]);
        row.dX[c] = fromCompute<T>(row.rho * (direct - toCompute(row.x[c]) * pull));
    }
}

template <typename T>
LONGLORA_VECTOR_CLONES void addWeightGradient(GradientRow<T> row, Compute<T>* sums,
                                              std::int64_t columns)
{
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) {
        sums[c] += toCompute(row.dY[c]) * (toCompute(row.x[c]) * row.rho);
    }
}

/// target[c] += sum over blocks of partial[block, c], made in the first block's place.
template <typename C>
void addBlocks(std::vector<C>& partial, std::int64_t columns, C* target)
{
    const auto end = partial.data() + partial.size();
    for (const C* block = partial.data() + columns; block < end; block += columns) {
        for (std::int64_t c = 0; c < columns; ++c) {
            partial[static_cast<std::size_t>(c)] += block[c];
        }
    }
    for (std::int64_t c = 0; c < columns; ++c) {
        target[c] += partial[static_cast<std::size_t>(c)];
    }
}

template <typename T>
void backward(const RmsNormBackward& args)
{
    using C = Compute<T>;
    const std::int64_t rows = args.x.sizes[0];
    const std::int64_t columns = args.x.sizes[1];
    const bool trained = args.dWeight.data != nullptr;

    // As many partial sums as there are blocks of rows, whatever the number of threads: the result
    // is the same bit by bit.
    constexpr std::int64_t kMaxBlocks = 64;
    const std::int64_t blocks = std::min(rows, kMaxBlocks);
    std::vector<C> partial(static_cast<std::size_t>(trained ? blocks * columns : 0));

    const auto workOnBlock = [&](std::int64_t block) {
        C* sums = trained ? partial.data() + block * columns : nullptr;
        for (std::int64_t r = rows * block / blocks; r < rows * (block + 1) / blocks; ++r) {
            const GradientRow<T> row{args.x.row<T>(r), args.dY.row<T>(r), args.dX.row<T>(r),
                                     *args.inverseRms.row<C>(r)};
            if (trained) {
                addWeightGradient(row, sums, columns); // first: inputGradient may overwrite dY
            }
            inputGradient(row, static_cast<const T*>(args.weight.data), columns);
        }
    };
    const std::int64_t rowsPerBlock = blocks > 0 ? rows / blocks : 1;
    parallelFor(blocks, rowGrain(rowsPerBlock * columns), args.stream.threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t block = begin; block < end; ++block) {
                        workOnBlock(block);
                    }
                });
    if (!partial.empty()) {
        addBlocks(partial, columns, static_cast<C*>(args.dWeight.data));
    }
}

template <typename T>
void forward(const RmsNormForward& args)
{
    using C = Compute<T>;
    const std::int64_t columns = args.x.sizes[1];
    parallelFor(args.x.sizes[0], rowGrain(columns), args.stream.threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t r = begin; r < end; ++r) {
                        const C rho =
                            normaliseRow(args.x.row<T>(r), static_cast<const T*>(args.weight.data),
                                         args.y.row<T>(r), columns, args.epsilon);
                        if (args.inverseRms.data != nullptr) {
                            *args.inverseRms.row<C>(r) = rho;
                        }
                    }
                });
}

} // namespace

void rmsNormForward(const RmsNormForward& args)
{
    assert(args.x.rank == 2 && args.x.strides[1] == 1 && args.y.strides[1] == 1);
    assert(args.weight.dtype == args.x.dtype && args.weight.sizes[0] == args.x.sizes[1]);
    if (runsOnCuda(args.stream, "rmsNormForward")) {
        if constexpr (kCudaCompiled) {
            cuda::rmsNormForward(args);
        }
        return;
    }
    dispatch(args.x.dtype, [&](auto tag) { forward<typename decltype(tag)::Type>(args); });
}

void rmsNormBackward(const RmsNormBackward& args)
{
    assert(args.x.rank == 2 && args.x.strides[1] == 1);
    assert(args.dY.strides[1] == 1 && args.dX.strides[1] == 1);
    assert(args.weight.dtype == args.x.dtype && args.weight.sizes[0] == args.x.sizes[1]);
    if (runsOnCuda(args.stream, "rmsNormBackward")) {
        if constexpr (kCudaCompiled) {
            cuda::rmsNormBackward(args);
        }
        return;
    }
    dispatch(args.x.dtype, [&](auto tag) { backward<typename decltype(tag)::Type>(args); });
}

} // namespace longlora::kernels
