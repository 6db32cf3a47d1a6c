// SPDX-License-Identifier: GPL-3.0-or-later
// Equation, cost: rotary_embedding.h. Tested against complex multiplication in float64 and by
// finite differences.
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/rotary_embedding.h"
#include "kernels/vector_math.h"

#include <cassert>

namespace longlora::kernels {

namespace {

/// The heads of one token: they share one row of the table, which stays in the cache.
template <typename T>
struct Token {
    T* x;
    std::int64_t heads;
    std::int64_t headStride;
    std::int64_t pairs; ///< D / 2
    const Compute<T>* cos;
    const Compute<T>* sin;
};

template <typename T>
LONGLORA_VECTOR_CLONES void rotateToken(Token<T> token, Compute<T> sign)
{
    using C = Compute<T>;
    for (std::int64_t h = 0; h < token.heads; ++h) {
        T* first = token.x + h * token.headStride;
        T* second = first + token.pairs;
#pragma omp simd
        for (std::int64_t i = 0; i < token.pairs; ++i) {
            const C a = toCompute(first[i]);
            const C b = toCompute(second[i]);
            const C sine = sign * token.sin[i];
            first[i] = fromCompute<T>(a * token.cos[i] - b * sine);
            second[i] = fromCompute<T>(b * token.cos[i] + a * sine);
        }
    }
}

template <typename T>
void rotateAll(const RotaryEmbedding& args, int sign)
{
    const std::int64_t seq = args.x.sizes[1];
    const std::int64_t heads = args.x.sizes[2];
    const std::int64_t headDim = args.x.sizes[3];
    parallelFor(args.x.sizes[0] * seq, rowGrain(heads * headDim), args.stream.threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t token = begin; token < end; ++token) {
                        const std::int64_t s = token % seq;
                        T* x = args.x.row<T>(token / seq) + s * args.x.strides[1];
                        rotateToken(Token<T>{x, heads, args.x.strides[2], headDim / 2,
                                             args.cos.row<Compute<T>>(s),
                                             args.sin.row<Compute<T>>(s)},
                                    static_cast<Compute<T>>(sign));
                    }
                });
}

void rotate(const RotaryEmbedding& args, int sign, const char* operatorName)
{
    assert(args.x.rank == 4 && args.x.strides[3] == 1 && args.x.sizes[3] % 2 == 0);
    assert(args.cos.rank == 2 && args.cos.strides[1] == 1 && args.sin.strides[1] == 1);
    assert(args.cos.sizes[0] == args.x.sizes[1] && args.cos.sizes[1] * 2 == args.x.sizes[3]);
    assert((args.cos.dtype == DType::Float64) == (args.x.dtype == DType::Float64));
    if (runsOnCuda(args.stream, operatorName)) {
        if constexpr (kCudaCompiled) {
            cuda::rotate(args, sign);
        }
        return;
    }
    dispatch(args.x.dtype, [&](auto tag) { rotateAll<typename decltype(tag)::Type>(args, sign); });
}

} // namespace

void rotaryEmbeddingForward(const RotaryEmbedding& args)
{
    rotate(args, 1, "rotaryEmbeddingForward");
}

void rotaryEmbeddingBackward(const RotaryEmbedding& args)
{
    rotate(args, -1, "rotaryEmbeddingBackward");
}

} // namespace longlora::kernels
