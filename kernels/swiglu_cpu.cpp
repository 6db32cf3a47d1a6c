// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, cost: swiglu.h. Tested against float64 written out naively and by finite differences.
//
// Outputs may be inputs: every iteration reads all it needs before it writes, at one index alone,
// which is what `omp simd` asks for.
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/swiglu.h"
#include "kernels/vector_math.h"

#include <cassert>

namespace longlora::kernels {

namespace {

template <typename C>
[[gnu::always_inline]] inline C sigmoid(C x)
{
    return C(1) / (C(1) + vectorExp(-x));
}

template <typename T>
LONGLORA_VECTOR_CLONES void forwardRow(const T* gate, const T* up, T* y, std::int64_t columns)
{
    using C = Compute<T>;
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) {
        const C g = toCompute(gate[c]);
        y[c] = fromCompute<T>(g * sigmoid(g) * toCompute(up[c]));
    }
}

template <typename T>
struct GradientRow {
    const T* gate;
    const T* up;
    const T* dY;
    T* dGate;
    T* dUp;
};

template <typename T>
LONGLORA_VECTOR_CLONES void backwardRow(GradientRow<T> row, std::int64_t columns)
{
    using C = Compute<T>;
#pragma omp simd
    for (std::int64_t c = 0; c < columns; ++c) {
        const C g = toCompute(row.gate[c]);
        const C u = toCompute(row.up[c]);
        const C d = toCompute(row.dY[c]);
        const C sigma = sigmoid(g);
        row.dGate[c] = fromCompute<T>(d * u * sigma * (C(1) + g * (C(1) - sigma)));
        row.dUp[c] = fromCompute<T>(d * g * sigma);
    }
}

/// Calls body(row) for all rows, in parallel.
template <typename Body>
void forEachRow(const ConstTensorView& shape, const Stream& stream, const Body& body)
{
    parallelFor(shape.sizes[0], rowGrain(shape.sizes[1]), stream.threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t r = begin; r < end; ++r) {
                        body(r);
                    }
                });
}

} // namespace

void swigluForward(const SwigluForward& args)
{
    assert(args.gate.rank == 2 && args.gate.strides[1] == 1);
    assert(args.up.strides[1] == 1 && args.y.strides[1] == 1);
    if (runsOnCuda(args.stream, "swigluForward")) {
        if constexpr (kCudaCompiled) {
            cuda::swigluForward(args);
        }
        return;
    }
    dispatch(args.gate.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        forEachRow(args.gate, args.stream, [&](std::int64_t r) {
            forwardRow(args.gate.row<T>(r), args.up.row<T>(r), args.y.row<T>(r),
                       args.gate.sizes[1]);
        });
    });
}

void swigluBackward(const SwigluBackward& args)
{
    assert(args.gate.rank == 2 && args.gate.strides[1] == 1 && args.up.strides[1] == 1);
    assert(args.dY.strides[1] == 1 && args.dGate.strides[1] == 1 && args.dUp.strides[1] == 1);
    if (runsOnCuda(args.stream, "swigluBackward")) {
        if constexpr (kCudaCompiled) {
            cuda::swigluBackward(args);
        }
        return;
    }
    dispatch(args.gate.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        forEachRow(args.gate, args.stream, [&](std::int64_t r) {
            backwardRow(GradientRow<T>{args.gate.row<T>(r), args.up.row<T>(r), args.dY.row<T>(r),
                                       args.dGate.row<T>(r), args.dUp.row<T>(r)},
                        args.gate.sizes[1]);
        });
    });
}

} // namespace longlora::kernels
