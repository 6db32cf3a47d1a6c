// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: B batch, H heads, S queries, D head_dim; a block is R queries over C keys.
//
// Equation: out_i = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j over i - window < j <= i.
// Backward: P = exp(scores - lse), dS = P (dP - rowsum(dOut out)).
#include "core/engine/attention/windowed_attention.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace longlora {

namespace {

/// Few enough that a block sees little more than a window, many enough for large products.
constexpr std::int64_t kBlockQueries = 256;

/// Queries [first, first + count) and the keys that any of them sees.
struct Block {
    std::int64_t first;
    std::int64_t count;
    std::int64_t firstKey;
    std::int64_t keyCount;
    at::Tensor hidden_RC; ///< true where a query does not see a key

    at::Tensor queries(const at::Tensor& x) const { return x.narrow(2, first, count); }
    at::Tensor keys(const at::Tensor& x) const { return x.narrow(2, firstKey, keyCount); }
};

template <class Visit>
void forEachBlock(const at::Tensor& q, const at::Tensor& k, std::int64_t window, const Visit& visit)
{
    const std::int64_t queries = q.size(2);
    const std::int64_t before = k.size(2) - queries;
    const auto ids = q.options().dtype(at::kLong);
    for (std::int64_t first = 0; first < queries; first += kBlockQueries) {
        const std::int64_t count = std::min(kBlockQueries, queries - first);
        const std::int64_t firstKey = std::max<std::int64_t>(0, before + first - window + 1);
        const std::int64_t endKey = before + first + count;
        const at::Tensor query =
            at::arange(before + first, before + first + count, ids).unsqueeze(1);
        const at::Tensor key = at::arange(firstKey, endKey, ids).unsqueeze(0);
        const at::Tensor hidden = key.gt(query).logical_or_(key.le(query - window));
        visit(Block{first, count, firstKey, endKey - firstKey, hidden});
    }
}

at::ScalarType wideType(const at::Tensor& x)
{
    return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

at::Tensor wide(const at::Tensor& x)
{
    return x.to(wideType(x));
}

double scaleOf(const at::Tensor& q)
{
    return 1.0 / std::sqrt(static_cast<double>(q.size(3)));
}

/// [B, H, R, C]
at::Tensor scoresOf(const Block& block, const at::Tensor& q, const at::Tensor& k)
{
    return at::matmul(wide(block.queries(q)), wide(block.keys(k)).transpose(2, 3))
        .mul_(scaleOf(q))
        .masked_fill_(block.hidden_RC, -std::numeric_limits<double>::infinity());
}

} // namespace

DenseAttentionResult windowedAttention(const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v, std::int64_t window)
{
    DenseAttentionResult result{
        at::empty(q.sizes(), q.options()),
        at::empty({q.size(0), q.size(1), q.size(2)}, q.options().dtype(wideType(q))),
        {}};
    forEachBlock(q, k, window, [&](const Block& block) {
        at::Tensor scores = scoresOf(block, q, k);
        const at::Tensor logSumExp = at::logsumexp(scores, {3}, true);
        const at::Tensor share = scores.sub_(logSumExp).exp_();
        block.queries(result.out).copy_(at::matmul(share, wide(block.keys(v))));
        block.queries(result.logSumExp).copy_(logSumExp.squeeze(3));
    });
    return result;
}

DenseAttentionGradients windowedAttentionBackward(const at::Tensor& gradOut, const at::Tensor& q,
                                                  const at::Tensor& k, const at::Tensor& v,
                                                  const DenseAttentionResult& forward,
                                                  std::int64_t window)
{
    const auto zeros = [&](const at::Tensor& like) {
        return at::zeros(like.sizes(), like.options().dtype(wideType(like)));
    };
    DenseAttentionGradients gradients{zeros(q), zeros(k), zeros(v)};
    forEachBlock(q, k, window, [&](const Block& block) {
        const at::Tensor out = wide(block.queries(forward.out));
        const at::Tensor dOut = wide(block.queries(gradOut));
        const at::Tensor share =
            scoresOf(block, q, k).sub_(block.queries(forward.logSumExp).unsqueeze(3)).exp_();
        block.keys(gradients.v).add_(at::matmul(share.transpose(2, 3), dOut));
        const at::Tensor dShare = at::matmul(dOut, wide(block.keys(v)).transpose(2, 3));
        const at::Tensor dScores =
            dShare.sub_((dOut * out).sum(3, true)).mul_(share).mul_(scaleOf(q));
        block.queries(gradients.q).copy_(at::matmul(dScores, wide(block.keys(k))));
        block.keys(gradients.k).add_(at::matmul(dScores.transpose(2, 3), wide(block.queries(q))));
    });
    return gradients;
}

} // namespace longlora
