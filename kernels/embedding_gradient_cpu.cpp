// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: embedding_gradient.h. Tested against float64 written out naively.
//
// A thread has some of the columns of all tokens: rows are met as often as words are, and columns
// divide evenly.
#include "kernels/dispatch.h"
#include "kernels/embedding_gradient.h"
#include "kernels/parallel_for.h"
#include "kernels/vector_math.h"

#include <algorithm>
#include <cassert>

namespace longlora::kernels {

namespace {

/// Two lines of the cache of the sums, so that threads do not write to the same one.
constexpr std::int64_t kColumnsTogether = 32;

template <typename T>
LONGLORA_VECTOR_CLONES void addRow(const T* dY, Compute<T>* sum, std::int64_t columns)
{
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) {
        sum[c] += toCompute(dY[c]);
    }
}

template <typename T>
void addColumns(const EmbeddingGradient& args, std::int64_t begin, std::int64_t end)
{
    for (std::int64_t i = 0; i < args.dY.sizes[0]; ++i) {
        const std::int64_t token = args.order[i];
        addRow(args.dY.row<T>(token) + begin, args.sum.row<Compute<T>>(args.rowOf[token]) + begin,
               end - begin);
    }
}

} // namespace

void embeddingGradient(const EmbeddingGradient& args)
{
    assert(args.dY.rank == 2 && args.dY.strides[1] == 1);
    assert(args.sum.rank == 2 && args.sum.strides[1] == 1);
    if (runsOnCuda(args.stream, "embeddingGradient")) {
        if constexpr (kCudaCompiled) {
            cuda::embeddingGradient(args);
        }
        return;
    }
    const std::int64_t columns = args.dY.sizes[1];
    const std::int64_t parts = (columns + kColumnsTogether - 1) / kColumnsTogether;
    dispatch(args.dY.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        parallelFor(parts, rowGrain(args.dY.sizes[0] * kColumnsTogether), args.stream.threads,
                    [&](std::int64_t begin, std::int64_t end) {
                        addColumns<T>(args, begin * kColumnsTogether,
                                      std::min(end * kColumnsTogether, columns));
                    });
    });
}

} // namespace longlora::kernels
