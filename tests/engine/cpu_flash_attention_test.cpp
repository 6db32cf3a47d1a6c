// SPDX-License-Identifier: GPL-3.0-or-later
// The processor's tiled attention against a dense mask and autograd, in fp64.
#include "core/engine/attention/cpu_flash_attention.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>

namespace longlora {
namespace {

struct Case {
    std::int64_t queries;
    std::int64_t keys;
    KeyVisibility visible = {};
    std::int64_t headDim = 16;
    std::int64_t batch = 2;
    std::int64_t heads = 3;
};

void PrintTo(const Case& c, std::ostream* stream)
{
    *stream << c.queries << " queries from " << c.visible.firstQuery << ", " << c.keys
            << " keys, window " << c.visible.window << ", head_dim " << c.headDim;
}

/// [seq, keys]: 0 where visible, else -infinity.
at::Tensor maskOf(const Case& c)
{
    at::Tensor mask =
        at::full({c.queries, c.keys}, -std::numeric_limits<double>::infinity(), at::kDouble);
    auto view = mask.accessor<double, 2>();
    const std::int64_t window = c.visible.window > 0 ? c.visible.window : c.keys + c.queries;
    for (std::int64_t i = 0; i < c.queries; ++i) {
        const std::int64_t position = c.visible.firstQuery + i;
        for (std::int64_t j = std::max<std::int64_t>(0, position - window + 1);
             j <= position && j < c.keys; ++j) {
            view[i][j] = 0.0;
        }
    }
    return mask;
}

double relativeError(const at::Tensor& is, const at::Tensor& shouldBe)
{
    return ((is.to(at::kDouble) - shouldBe).norm() / shouldBe.norm()).item<double>();
}

/// Tensors [batch, seq, heads, head_dim] among others, as slices of a fused projection lie.
at::Tensor heads(const Case& c, std::int64_t tokens, at::ScalarType type)
{
    return at::randn({c.batch, tokens, 2 * c.heads, c.headDim}, type)
        .narrow(2, 1, c.heads)
        .transpose(1, 2);
}

struct Attention {
    Attention(const Case& c, at::ScalarType type)
        : testCase(c)
        , q(heads(c, c.queries, type))
        , k(heads(c, c.keys, type))
        , v(heads(c, c.keys, type))
        , out(heads(c, c.queries, type))
        , gradOut(heads(c, c.queries, type))
        , logSumExp(at::empty({c.batch, c.heads, c.queries}))
    {
        cpuFlashForward({q, k, v, out, logSumExp, c.visible});
    }

    const Case& testCase;
    at::Tensor q, k, v, out, gradOut, logSumExp;
};

struct Oracle {
    explicit Oracle(const Attention& a)
        : q(a.q.to(at::kDouble).requires_grad_())
        , k(a.k.to(at::kDouble).requires_grad_())
        , v(a.v.to(at::kDouble).requires_grad_())
        , scores(at::matmul(q, k.transpose(2, 3)) /
                     std::sqrt(static_cast<double>(a.testCase.headDim)) +
                 maskOf(a.testCase))
        , out(at::matmul(at::softmax(scores, -1), v))
    {}

    at::Tensor q, k, v, scores, out;
};

class CpuFlash : public testing::TestWithParam<std::tuple<at::ScalarType, Case>> {
protected:
    void SetUp() override
    {
        at::manual_seed(7);
        if (!cpuFlashTakes(at::empty({1, 1, 1, 2}, type()))) {
            GTEST_SKIP() << "this processor has no matrix kernels for " << type();
        }
    }
    at::ScalarType type() const { return std::get<0>(GetParam()); }
    const Case& testCase() const { return std::get<1>(GetParam()); }
    double tolerance() const { return type() == at::kFloat ? 2e-6 : 1e-2; }
};

TEST_P(CpuFlash, ForwardIsTheDenseOne)
{
    const Attention attention(testCase(), type());
    const Oracle oracle(attention);
    EXPECT_LT(relativeError(attention.out, oracle.out.detach()), tolerance());
    EXPECT_LT((attention.logSumExp - at::logsumexp(oracle.scores.detach(), -1))
                  .abs()
                  .max()
                  .item<double>(),
              1e-5);
}

TEST_P(CpuFlash, GradientsAreTheDenseOnes)
{
    const Attention a(testCase(), type());
    const Oracle oracle(a);
    const auto expected = torch::autograd::grad({oracle.out}, {oracle.q, oracle.k, oracle.v},
                                                {a.gradOut.to(at::kDouble)});
    const at::Tensor dQ = at::full_like(a.q, 3.0), dK = at::ones_like(a.k),
                     dV = at::zeros_like(a.v);
    cpuFlashBackward(
        {a.gradOut, a.q, a.k, a.v, a.out, a.logSumExp, dQ, dK, dV, testCase().visible});
    // Of a query that sees one key the true gradient is 0.
    const double small = 1e-6 * std::sqrt(static_cast<double>(dQ.numel()));
    EXPECT_LT((dQ.to(at::kDouble) - expected[0]).norm().item<double>(),
              tolerance() * expected[0].norm().item<double>() + small);
    EXPECT_LT((dK.to(at::kDouble) - 1.0 - expected[1]).norm().item<double>(),
              tolerance() * (1.0 + expected[1]).norm().item<double>() + small)
        << "added to what was there";
    EXPECT_LT(relativeError(dV, expected[2]), tolerance());
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, CpuFlash,
    testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                     testing::Values(Case{1, 1}, Case{2, 2}, Case{31, 31}, Case{64, 64},
                                     Case{65, 65}, Case{127, 127}, Case{200, 200},
                                     Case{257, 257, {}, 64, 1, 1}, Case{130, 130, {}, 6},
                                     Case{100, 100, {}, 128},                    // head dims
                                     Case{20, 150, {130}}, Case{70, 200, {130}}, // last of the keys
                                     Case{20, 150, {150}},                       // all see all
                                     Case{200, 200, {0, 1}}, Case{200, 200, {0, 70}},
                                     Case{300, 300, {0, 64}},
                                     Case{40, 300, {260, 33}} // sliding windows
                                     )));

// head_dim in whole tiles of the matrix units.
INSTANTIATE_TEST_SUITE_P(
    WholeTiles, CpuFlash,
    testing::Combine(testing::Values(at::kBFloat16),
                     testing::Values(Case{1, 1, {}, 32}, Case{64, 64, {}, 32}, Case{65, 65, {}, 32},
                                     Case{200, 200, {}, 32}, Case{330, 330, {}, 64},
                                     Case{257, 257, {}, 96}, Case{20, 150, {130}, 64},
                                     Case{70, 200, {130}, 32}, Case{20, 150, {150}, 32},
                                     Case{200, 200, {0, 1}, 32}, Case{300, 300, {0, 64}, 64},
                                     Case{40, 300, {260, 33}, 32})));

TEST(CpuFlashAttention, ScoresThatDifferHugelyStayFinite)
{
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const at::Tensor q = at::randn({1, 1, 80, 32}, type) * 1e4,
                         k = at::randn({1, 1, 80, 32}, type), v = at::randn({1, 1, 80, 32}, type);
        if (!cpuFlashTakes(q)) {
            GTEST_SKIP() << "this processor has no matrix kernels";
        }
        const at::Tensor out = at::empty_like(q), logSumExp = at::empty({1, 1, 80});
        cpuFlashForward({q, k, v, out, logSumExp, {}});
        EXPECT_TRUE(at::isfinite(out).all().item<bool>());
        EXPECT_TRUE(at::isfinite(logSumExp).all().item<bool>());
    }
}

TEST(CpuFlashAttention, NaNInIsNaNOut)
{
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const at::Tensor q = at::randn({1, 1, 80, 32}, type), k = at::randn({1, 1, 80, 32}, type),
                         v = at::randn({1, 1, 80, 32}, type);
        if (!cpuFlashTakes(q)) {
            GTEST_SKIP() << "this processor has no matrix kernels";
        }
        q[0][0][50].fill_(std::numeric_limits<double>::quiet_NaN());
        const at::Tensor out = at::empty_like(q), logSumExp = at::empty({1, 1, 80});
        cpuFlashForward({q, k, v, out, logSumExp, {}});
        EXPECT_TRUE(at::isnan(out[0][0][50]).all().item<bool>());
        EXPECT_TRUE(at::isfinite(out.narrow(2, 0, 50)).all().item<bool>());
    }
}

TEST(CpuFlashAttention, DoubleAndOddHeadsAreLeftToLibTorch)
{
    EXPECT_FALSE(cpuFlashTakes(at::empty({1, 1, 64, 16}, at::kDouble)));
    EXPECT_FALSE(cpuFlashTakes(at::empty({1, 1, 64, 7}, at::kFloat)));
}

} // namespace
} // namespace longlora
