// SPDX-License-Identifier: GPL-3.0-or-later
// Attention under a sliding window against a dense mask and autograd, in fp64.
#include "core/engine/attention/segmented_attention.h"
#include "core/engine/attention/windowed_attention.h"
#include "core/spec/base/error.h"
#include "tests/support/golden_model.h"

#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace longlora {
namespace {

struct Case {
    std::int64_t length;
    std::int64_t window;
    std::int64_t heads = 4;
    std::int64_t kvHeads = 2;
    std::int64_t group = 0; ///< 0: full attention
    DocumentStarts documents = {};
};

void PrintTo(const Case& c, std::ostream* stream)
{
    *stream << c.length << " tokens, window " << c.window << ", group " << c.group;
}

constexpr std::int64_t kBatch = 2;

std::int64_t documentOf(const Case& c, std::int64_t row, std::int64_t token)
{
    if (c.documents.empty()) {
        return 0;
    }
    const auto& starts = c.documents[static_cast<std::size_t>(row)];
    return std::upper_bound(starts.begin(), starts.end(), token) - starts.begin();
}

/// [batch, heads, seq, seq], 0 where visible, else -infinity.
at::Tensor maskOf(const Case& c)
{
    at::Tensor mask = at::full({kBatch, c.heads, c.length, c.length},
                               -std::numeric_limits<double>::infinity(), at::kDouble);
    auto view = mask.accessor<double, 4>();
    const S2Pattern pattern{c.length, c.group > 0 ? c.group : c.length, GroupEdge::Clipped};
    for (std::int64_t b = 0; b < kBatch; ++b) {
        for (std::int64_t h = 0; h < c.heads; ++h) {
            const HeadHalf half =
                c.group > 0 && h >= plainHeadCount(c.heads) ? HeadHalf::Shifted : HeadHalf::Plain;
            for (std::int64_t i = 0; i < c.length; ++i) {
                for (std::int64_t j = std::max<std::int64_t>(0, i - c.window + 1); j <= i; ++j) {
                    if (pattern.visible(half, i, j) && documentOf(c, b, i) == documentOf(c, b, j)) {
                        view[b][h][i][j] = 0.0;
                    }
                }
            }
        }
    }
    return mask;
}

at::Tensor oracle(const Case& c, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
{
    const auto repeated = [&](const at::Tensor& x) {
        return x.repeat_interleave(c.heads / c.kvHeads, 2).transpose(1, 2);
    };
    const at::Tensor scores = at::matmul(q.transpose(1, 2), repeated(k).transpose(2, 3)) /
                              std::sqrt(static_cast<double>(q.size(3)));
    return at::matmul(at::softmax(scores + maskOf(c), -1), repeated(v)).transpose(1, 2);
}

class Windowed : public testing::TestWithParam<Case> {
protected:
    at::Tensor random(std::int64_t heads) const
    {
        return at::randn({kBatch, GetParam().length, heads, 8}, at::kDouble).requires_grad_();
    }
    AttentionLayout layout() const
    {
        const Case& c = GetParam();
        AttentionSpec spec;
        spec.kind = c.group > 0 ? AttentionKind::S2 : AttentionKind::Full;
        spec.group = c.group;
        spec.window = c.window;
        return attentionLayout(spec, c.heads, kBatch, c.length, c.documents);
    }
};

TEST_P(Windowed, EqualsADenseMaskForwardAndBackward)
{
    const Case& c = GetParam();
    const at::Tensor q = random(c.heads), k = random(c.kvHeads), v = random(c.kvHeads);
    const at::Tensor gradient = at::randn(q.sizes(), at::kDouble);
    const at::Tensor actual = segmentedAttention(q, k, v, layout());
    const at::Tensor expected = oracle(c, q, k, v);
    EXPECT_LT((actual - expected).abs().max().item<double>(), 1e-12);
    const auto ours = torch::autograd::grad({actual}, {q, k, v}, {gradient});
    const auto theirs = torch::autograd::grad({expected}, {q, k, v}, {gradient});
    for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_LT((ours[i] - theirs[i]).abs().max().item<double>(), 1e-11) << i;
    }
}

TEST_P(Windowed, IsNearItselfInNarrowerTypes)
{
    const Case& c = GetParam();
    const at::Tensor q = random(c.heads), k = random(c.kvHeads), v = random(c.kvHeads);
    const at::Tensor expected = segmentedAttention(q, k, v, layout());
    for (const auto& [dtype, tolerance] : {std::pair(at::kFloat, 1e-5), {at::kBFloat16, 5e-2}}) {
        const at::Tensor actual =
            segmentedAttention(q.to(dtype), k.to(dtype), v.to(dtype), layout());
        EXPECT_EQ(actual.scalar_type(), dtype);
        EXPECT_LT(test::relativeError(actual.detach(), expected.detach()), tolerance);
    }
}

const DocumentStarts kPacked{{0, 7, 90}, {0, 44}};

INSTANTIATE_TEST_SUITE_P(Shapes, Windowed,
                         testing::Values(Case{1, 1}, Case{6, 1}, Case{40, 7, 4, 4},
                                         Case{40, 39, 6, 2}, Case{40, 40}, Case{300, 17, 9, 3},
                                         Case{530, 256}, Case{520, 300, 2, 1},
                                         Case{128, 24, 4, 2, 64}, Case{130, 24, 5, 1, 48},
                                         Case{128, 40, 4, 2, 64, kPacked},
                                         Case{128, 16, 4, 2, 0, kPacked}));

TEST(WindowedAttention, QueriesAreTheLastOfTheKeys)
{
    const at::Tensor q = at::randn({1, 2, 30, 8}, at::kDouble);
    const at::Tensor k = at::randn({1, 2, 30, 8}, at::kDouble), v = at::randn_like(k);
    const at::Tensor out = at::empty_like(q), lastOut = at::empty({1, 2, 5, 8}, at::kDouble);
    const at::Tensor whole = windowedAttention({q, k, v, out, {0, 9}});
    const at::Tensor last = windowedAttention({q.narrow(2, 25, 5), k, v, lastOut, {25, 9}});
    EXPECT_LT((out.narrow(2, 25, 5) - lastOut).abs().max().item<double>(), 1e-14);
    EXPECT_LT((whole.narrow(2, 25, 5) - last).abs().max().item<double>(), 1e-14);
}

TEST(AttentionLayout, CircularEdgeRefusesAWindowBelowTheGroup)
{
    AttentionSpec spec{AttentionKind::S2, 16, GroupEdge::Circular, 8};
    EXPECT_THROW(attentionLayout(spec, 4, 1, 64), ConfigError);
    spec.window = 16;
    EXPECT_NO_THROW(attentionLayout(spec, 4, 1, 64));
}

} // namespace
} // namespace longlora
