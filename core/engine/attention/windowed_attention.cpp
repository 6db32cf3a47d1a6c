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

at::Tensor windowedAttention(const DenseAttention& args)
{
    const at::Tensor logSumExps = at::empty({args.q.size(0), args.q.size(1), args.q.size(2)},
                                            args.q.options().dtype(wideType(args.q)));
    forEachBlock(args.q, args.k, args.visible.window, [&](const Block& block) {
        at::Tensor scores = scoresOf(block, args.q, args.k);
        const at::Tensor logSumExp = at::logsumexp(scores, {3}, true);
        const at::Tensor share = scores.sub_(logSumExp).exp_();
        block.queries(args.out).copy_(at::matmul(share, wide(block.keys(args.v))));
        block.queries(logSumExps).copy_(logSumExp.squeeze(3));
    });
    return logSumExps;
}

void windowedAttentionBackward(const DenseAttention& args, const at::Tensor& logSumExp,
                               const at::Tensor& gradOut, const DenseAttentionGradients& into)
{
    const auto zeros = [&](const at::Tensor& like) {
        return at::zeros(like.sizes(), like.options().dtype(wideType(like)));
    };
    const at::Tensor dK = zeros(args.k), dV = zeros(args.v);
    forEachBlock(args.q, args.k, args.visible.window, [&](const Block& block) {
        const at::Tensor out = wide(block.queries(args.out));
        const at::Tensor dOut = wide(block.queries(gradOut));
        const at::Tensor share =
            scoresOf(block, args.q, args.k).sub_(block.queries(logSumExp).unsqueeze(3)).exp_();
        block.keys(dV).add_(at::matmul(share.transpose(2, 3), dOut));
        const at::Tensor dShare = at::matmul(dOut, wide(block.keys(args.v)).transpose(2, 3));
        const at::Tensor dScores =
            dShare.sub_((dOut * out).sum(3, true)).mul_(share).mul_(scaleOf(args.q));
        block.queries(into.q).copy_(at::matmul(dScores, wide(block.keys(args.k))));
        block.keys(dK).add_(at::matmul(dScores.transpose(2, 3), wide(block.queries(args.q))));
    });
    into.k.add_(dK);
    into.v.add_(dV);
}

} // namespace longlora
