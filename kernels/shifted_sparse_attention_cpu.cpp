// SPDX-License-Identifier: GPL-3.0-or-later
// Equations, cost: shifted_sparse_attention.h. Written to be evidently right; tested against roll,
// groups, roll back, against causal attention per segment, and by finite differences.
//
// Letters of shapes: S seq, D head_dim.
#include "kernels/dispatch.h"
#include "kernels/parallel_for.h"
#include "kernels/shifted_sparse_attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace longlora::kernels {

namespace {

using Matrix = std::vector<double>; // row-major

/// [S, D] of one head of one batch row, widened.
Matrix readHead(const ConstTensorView& view, std::int64_t batch, std::int64_t head)
{
    const std::int64_t seq = view.sizes[1];
    const std::int64_t dim = view.sizes[3];
    Matrix head_SD(static_cast<std::size_t>(seq * dim));
    dispatch(view.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        const T* data = view.row<T>(batch) + head * view.strides[2];
        for (std::int64_t i = 0; i < seq * dim; ++i) {
            head_SD[static_cast<std::size_t>(i)] = static_cast<double>(
                toCompute(data[i / dim * view.strides[1] + i % dim * view.strides[3]]));
        }
    });
    return head_SD;
}

void writeHead(const Matrix& head_SD, const TensorView& view, std::int64_t batch, std::int64_t head)
{
    const std::int64_t dim = view.sizes[3];
    dispatch(view.dtype, [&](auto tag) {
        using T = typename decltype(tag)::Type;
        T* data = view.row<T>(batch) + head * view.strides[2];
        for (std::int64_t i = 0; i < view.sizes[1] * dim; ++i) {
            data[i / dim * view.strides[1] + i % dim * view.strides[3]] =
                fromCompute<T>(static_cast<Compute<T>>(head_SD[static_cast<std::size_t>(i)]));
        }
    });
}

double dot(const double* a, const double* b, std::int64_t count)
{
    double sum = 0.0;
    for (std::int64_t d = 0; d < count; ++d) {
        sum += a[d] * b[d];
    }
    return sum;
}

/// target += factor * source
void addScaled(double* target, double factor, const double* source, std::int64_t count)
{
    for (std::int64_t d = 0; d < count; ++d) {
        target[d] += factor * source[d];
    }
}

/// The softmax of one query over the keys it sees.
struct Row {
    std::vector<std::int64_t> keys;
    std::vector<double> probabilities;
};

/// One query head and what it needs to know.
struct Head {
    const AttentionVisibility& visibility;
    std::int64_t batch;
    bool shifted;
    std::int64_t dim;
    const Matrix& q_SD;
    const Matrix& k_SD;
    const Matrix& v_SD;
    double scale = 1.0 / std::sqrt(static_cast<double>(dim));

    Row attend(std::int64_t query) const
    {
        Row row;
        double maximum = -std::numeric_limits<double>::infinity();
        for (std::int64_t key = 0; key < visibility.length; ++key) {
            if (visibility.visible(batch, shifted, query, key)) {
                row.keys.push_back(key);
                row.probabilities.push_back(scale *
                                            dot(&q_SD[index(query)], &k_SD[index(key)], dim));
                maximum = std::max(maximum, row.probabilities.back());
            }
        }
        double sum = 0.0;
        for (double& p : row.probabilities) {
            p = std::exp(p - maximum);
            sum += p;
        }
        for (double& p : row.probabilities) {
            p /= sum;
        }
        return row;
    }

    std::size_t index(std::int64_t token) const { return static_cast<std::size_t>(token * dim); }

    void forward(Matrix& out_SD) const
    {
        for (std::int64_t i = 0; i < visibility.length; ++i) {
            const Row row = attend(i);
            for (std::size_t n = 0; n < row.keys.size(); ++n) {
                addScaled(&out_SD[index(i)], row.probabilities[n], &v_SD[index(row.keys[n])], dim);
            }
        }
    }

    void backward(const Matrix& dOut_SD, Matrix& dQ_SD, Matrix& dK_SD, Matrix& dV_SD) const
    {
        for (std::int64_t i = 0; i < visibility.length; ++i) {
            const Row row = attend(i);
            std::vector<double> dP;
            for (const std::int64_t j : row.keys) {
                dP.push_back(dot(&dOut_SD[index(i)], &v_SD[index(j)], dim));
            }
            const double mean =
                dot(row.probabilities.data(), dP.data(), static_cast<std::int64_t>(dP.size()));
            for (std::size_t n = 0; n < row.keys.size(); ++n) {
                const std::int64_t j = row.keys[n];
                const double p = row.probabilities[n];
                const double dS = scale * p * (dP[n] - mean);
                addScaled(&dV_SD[index(j)], p, &dOut_SD[index(i)], dim);
                addScaled(&dQ_SD[index(i)], dS, &k_SD[index(j)], dim);
                addScaled(&dK_SD[index(j)], dS, &q_SD[index(i)], dim);
            }
        }
    }
};

/// Calls body(batch row, kv head, first query head, end of its query heads), in parallel.
template <typename Args, typename Body>
void forEachKvHead(const Args& args, const Body& body)
{
    assert(args.q.rank == 4 && args.k.rank == 4 && args.v.rank == 4);
    assert(args.q.sizes[1] == args.visibility.length);
    const std::int64_t kvHeads = args.k.sizes[2];
    const std::int64_t shared = args.q.sizes[2] / kvHeads;
    const std::int64_t pairs = args.visibility.length * args.visibility.length;
    parallelFor(args.k.sizes[0] * kvHeads, rowGrain(pairs * shared), args.stream.threads,
                [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t n = begin; n < end; ++n) {
                        const std::int64_t kvHead = n % kvHeads;
                        body(n / kvHeads, kvHead, kvHead * shared, (kvHead + 1) * shared);
                    }
                });
}

void refuseGpu(const Stream& stream)
{
    if (stream.device != Device::Cpu) {
        throw KernelError("shiftedSparseAttention: the dense oracle runs on the CPU only; bring "
                          "the tensors there first");
    }
}

} // namespace

bool AttentionVisibility::visible(std::int64_t row, bool shifted, std::int64_t query,
                                  std::int64_t key) const
{
    if (!documentStarts.empty()) {
        const auto& starts = documentStarts[static_cast<std::size_t>(row)];
        const auto documentOf = [&](std::int64_t token) {
            return std::upper_bound(starts.begin(), starts.end(), token) - starts.begin();
        };
        if (documentOf(query) != documentOf(key)) {
            return false;
        }
    }
    if (full) {
        return key <= query;
    }
    const std::int64_t shift = shifted ? group / 2 : 0;
    if (edge == GroupEdge::Clipped) {
        // Borders at shift + n group; adding a group keeps the division of small indices exact.
        const auto groupOf = [&](std::int64_t token) { return (token + group - shift) / group; };
        return groupOf(query) == groupOf(key) && key <= query;
    }
    const auto rolled = [&](std::int64_t token) {
        return (token + length - shift % length) % length;
    };
    return rolled(query) / group == rolled(key) / group && rolled(key) <= rolled(query);
}

void shiftedSparseAttentionForward(const ShiftedSparseAttention& args)
{
    refuseGpu(args.stream);
    const std::int64_t plainHeads = args.q.sizes[2] / 2;
    const std::int64_t dim = args.q.sizes[3];
    forEachKvHead(args, [&](std::int64_t batch, std::int64_t kvHead, std::int64_t firstHead,
                            std::int64_t endHead) {
        const Matrix k_SD = readHead(args.k, batch, kvHead);
        const Matrix v_SD = readHead(args.v, batch, kvHead);
        for (std::int64_t h = firstHead; h < endHead; ++h) {
            const Matrix q_SD = readHead(args.q, batch, h);
            Matrix out_SD(q_SD.size());
            Head{args.visibility, batch, h >= plainHeads, dim, q_SD, k_SD, v_SD}.forward(out_SD);
            writeHead(out_SD, args.out, batch, h);
        }
    });
}

void shiftedSparseAttentionBackward(const ShiftedSparseAttentionGradient& args)
{
    refuseGpu(args.stream);
    const std::int64_t plainHeads = args.q.sizes[2] / 2;
    const std::int64_t dim = args.q.sizes[3];
    forEachKvHead(args, [&](std::int64_t batch, std::int64_t kvHead, std::int64_t firstHead,
                            std::int64_t endHead) {
        const Matrix k_SD = readHead(args.k, batch, kvHead);
        const Matrix v_SD = readHead(args.v, batch, kvHead);
        Matrix dK_SD(k_SD.size());
        Matrix dV_SD(v_SD.size());
        for (std::int64_t h = firstHead; h < endHead; ++h) {
            const Matrix q_SD = readHead(args.q, batch, h);
            Matrix dQ_SD(q_SD.size());
            Head{args.visibility, batch, h >= plainHeads, dim, q_SD, k_SD, v_SD}.backward(
                readHead(args.dOut, batch, h), dQ_SD, dK_SD, dV_SD);
            writeHead(dQ_SD, args.dQ, batch, h);
        }
        writeHead(dK_SD, args.dK, batch, kvHead);
        writeHead(dV_SD, args.dV, batch, kvHead);
    });
}

} // namespace longlora::kernels
