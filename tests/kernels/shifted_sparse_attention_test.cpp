// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/dispatch.h"
#include "kernels/shifted_sparse_attention.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace longlora::kernels {

namespace {

constexpr KernelCase kFloat64{Device::Cpu, DType::Float64, 1e-13};

/// q, k, v, dOut with random values, everything the operator writes poisoned.
struct Problem {
    Problem(std::int64_t batch, std::int64_t seq, std::int64_t heads, std::int64_t kvHeads,
            std::int64_t dim, const KernelCase& testCase = kFloat64, std::int64_t gap = 0)
        : q(testCase, {batch, seq, heads, dim}, gap)
        , k(testCase, {batch, seq, kvHeads, dim}, gap)
        , v(testCase, {batch, seq, kvHeads, dim}, gap)
        , dOut(testCase, {batch, seq, heads, dim}, gap)
        , out(testCase, {batch, seq, heads, dim}, gap)
        , dQ(testCase, {batch, seq, heads, dim}, gap)
        , dK(testCase, {batch, seq, kvHeads, dim}, gap)
        , dV(testCase, {batch, seq, kvHeads, dim}, gap)
    {
        std::mt19937 random(static_cast<unsigned>(seq * 100 + heads));
        for (TestTensor* tensor : {&q, &k, &v, &dOut}) {
            tensor->fillRandom(random);
        }
    }

    std::vector<double> forward(const AttentionVisibility& visibility)
    {
        shiftedSparseAttentionForward({q.view(), k.view(), v.view(), out.view(), visibility, {}});
        return out.values();
    }

    void backward(const AttentionVisibility& visibility)
    {
        shiftedSparseAttentionBackward({q.view(),
                                        k.view(),
                                        v.view(),
                                        dOut.view(),
                                        dQ.view(),
                                        dK.view(),
                                        dV.view(),
                                        visibility,
                                        {}});
    }

    TestTensor q, k, v, dOut, out, dQ, dK, dV;
};

/// Index of [batch, token, head, 0] in row-major order.
std::int64_t at(const TestTensor& tensor, std::int64_t batch, std::int64_t token, std::int64_t head)
{
    const auto& sizes = tensor.view().sizes;
    return ((batch * sizes[1] + token) * sizes[2] + head) * sizes[3];
}

/// Causal attention of query head h among `tokens`, in their order: written into `result`, which is
/// indexed like q.
void attendInOrder(const Problem& p, std::int64_t batch, std::int64_t h,
                   const std::vector<std::int64_t>& tokens, std::vector<double>& result)
{
    const auto& sizes = p.q.view().sizes;
    const std::int64_t dim = sizes[3];
    const std::int64_t kvHead = h / (sizes[2] / p.k.view().sizes[2]);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        std::vector<double> weights;
        for (std::size_t j = 0; j <= i; ++j) {
            double score = 0.0;
            for (std::int64_t d = 0; d < dim; ++d) {
                score += p.q.get(at(p.q, batch, tokens[i], h) + d) *
                         p.k.get(at(p.k, batch, tokens[j], kvHead) + d);
            }
            weights.push_back(std::exp(score / std::sqrt(static_cast<double>(dim))));
        }
        const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
        for (std::int64_t d = 0; d < dim; ++d) {
            double value = 0.0;
            for (std::size_t j = 0; j <= i; ++j) {
                value += weights[j] / sum * p.v.get(at(p.v, batch, tokens[j], kvHead) + d);
            }
            result[static_cast<std::size_t>(at(p.q, batch, tokens[i], h) + d)] = value;
        }
    }
}

/// What LongLoRA's own code does, literally: roll the shifted heads left by `shift`, cut into
/// groups, attend causally in rolled order. The result stands at the tokens' true places, which is
/// the roll back.
std::vector<double> rollGroupsRollBack(const Problem& p, std::int64_t group)
{
    const auto& sizes = p.q.view().sizes;
    std::vector<double> result(static_cast<std::size_t>(p.q.count()));
    for (std::int64_t batch = 0; batch < sizes[0]; ++batch) {
        for (std::int64_t h = 0; h < sizes[2]; ++h) {
            std::vector<std::int64_t> order(static_cast<std::size_t>(sizes[1]));
            std::iota(order.begin(), order.end(), 0);
            const std::int64_t shift = h < sizes[2] / 2 ? 0 : group / 2 % sizes[1];
            std::rotate(order.begin(), order.begin() + shift, order.end());
            for (auto begin = order.begin(); begin != order.end();) {
                const auto end = begin + std::min<std::int64_t>(group, order.end() - begin);
                attendInOrder(p, batch, h, {begin, end}, result);
                begin = end;
            }
        }
    }
    return result;
}

/// Causal attention in each of the segments between sorted `borders` and the documents' starts.
std::vector<double> causalPerSegment(const Problem& p, std::int64_t group,
                                     const std::vector<std::vector<std::int64_t>>& documents)
{
    const auto& sizes = p.q.view().sizes;
    std::vector<double> result(static_cast<std::size_t>(p.q.count()));
    for (std::int64_t batch = 0; batch < sizes[0]; ++batch) {
        for (std::int64_t h = 0; h < sizes[2]; ++h) {
            const std::int64_t shift = h < sizes[2] / 2 ? 0 : group / 2;
            std::vector<std::int64_t> borders = {0, sizes[1]};
            for (std::int64_t border = shift; border < sizes[1]; border += group) {
                borders.push_back(border);
            }
            if (!documents.empty()) {
                const auto& starts = documents[static_cast<std::size_t>(batch)];
                borders.insert(borders.end(), starts.begin(), starts.end());
            }
            std::sort(borders.begin(), borders.end());
            for (std::size_t n = 0; n + 1 < borders.size(); ++n) {
                std::vector<std::int64_t> tokens;
                for (std::int64_t token = borders[n]; token < borders[n + 1]; ++token) {
                    tokens.push_back(token);
                }
                attendInOrder(p, batch, h, tokens, result);
            }
        }
    }
    return result;
}

/// Largest change of the output of tokens before `changed` when k and v of `changed` change.
double changeBefore(Problem& p, const AttentionVisibility& visibility, std::int64_t changed)
{
    const std::vector<double> before = p.forward(visibility);
    for (TestTensor* tensor : {&p.k, &p.v}) {
        const std::int64_t first = at(*tensor, 0, changed, 0);
        for (std::int64_t i = first; i < at(*tensor, 0, changed + 1, 0); ++i) {
            tensor->set(i, tensor->get(i) + 1.0);
        }
    }
    const std::vector<double> after = p.forward(visibility);
    double change = 0.0;
    for (std::int64_t i = 0; i < at(p.q, 0, changed, 0); ++i) {
        const auto n = static_cast<std::size_t>(i);
        change = std::max(change, std::abs(after[n] - before[n]));
    }
    return change;
}

} // namespace

TEST(ShiftedSparseAttention, CircularEqualsRollGroupsRollBack)
{
    for (std::int64_t seq = 1; seq <= 40; ++seq) {
        for (const std::int64_t group : {2, 3, 4, 6, 7, 8, 10, 15, 16, 24}) {
            Problem p(1, seq, 3, 1, 2);
            const std::vector<double> out =
                p.forward({.length = seq, .group = group, .edge = GroupEdge::Circular});
            EXPECT_LT(relativeError(out, rollGroupsRollBack(p, group)), 1e-13)
                << "length " << seq << ", group " << group;
        }
    }
}

TEST(ShiftedSparseAttention, ClippedEqualsCausalAttentionPerSegment)
{
    for (std::int64_t seq = 1; seq <= 40; ++seq) {
        for (const std::int64_t group : {1, 2, 3, 4, 6, 7, 8, 10, 15, 16, 24, 100}) {
            Problem p(1, seq, 3, 1, 2);
            const std::vector<double> out = p.forward({.length = seq, .group = group});
            EXPECT_LT(relativeError(out, causalPerSegment(p, group, {})), 1e-13)
                << "length " << seq << ", group " << group;
        }
    }
}

TEST(ShiftedSparseAttention, FullIsOneCausalSegmentInAllHeads)
{
    Problem p(2, 23, 4, 2, 6);
    const std::vector<double> out = p.forward({.length = 23, .full = true});
    EXPECT_LT(relativeError(out, causalPerSegment(p, 1000, {})), 1e-13);
}

TEST(ShiftedSparseAttention, DocumentsCutTheSegmentsOfTheirRow)
{
    const std::vector<std::vector<std::int64_t>> documents = {{0, 5, 6, 17}, {0}, {0, 12}};
    Problem p(3, 29, 5, 5, 4);
    const AttentionVisibility clipped{.length = 29, .group = 8, .documentStarts = documents};
    EXPECT_LT(relativeError(p.forward(clipped), causalPerSegment(p, 8, documents)), 1e-13);
    const AttentionVisibility full{.length = 29, .full = true, .documentStarts = documents};
    EXPECT_LT(relativeError(p.forward(full), causalPerSegment(p, 1000, documents)), 1e-13);
}

TEST(ShiftedSparseAttention, GroupedQueryHeadsAndBatchRowsAreIndependent)
{
    Problem p(3, 19, 9, 3, 5);
    EXPECT_LT(relativeError(p.forward({.length = 19, .group = 6}), causalPerSegment(p, 6, {})),
              1e-13);
    const AttentionVisibility circular{.length = 19, .group = 6, .edge = GroupEdge::Circular};
    EXPECT_LT(relativeError(p.forward(circular), rollGroupsRollBack(p, 6)), 1e-13);
}

TEST(ShiftedSparseAttention, ClippedNeverSeesALaterToken)
{
    for (const std::int64_t seq : {7, 16, 33}) {
        for (const std::int64_t group : {2, 5, 8, 16, 40}) {
            for (std::int64_t changed = 0; changed < seq; ++changed) {
                Problem p(1, seq, 4, 2, 4);
                EXPECT_EQ(changeBefore(p, {.length = seq, .group = group}, changed), 0.0);
            }
        }
    }
}

TEST(ShiftedSparseAttention, CircularLetsTheHeadSeeTheTail)
{
    Problem p(1, 32, 4, 2, 4);
    const AttentionVisibility circular{.length = 32, .group = 8, .edge = GroupEdge::Circular};
    EXPECT_GT(changeBefore(p, circular, 30), 1e-3);
    EXPECT_EQ(changeBefore(p, circular, 20), 0.0); // the middle does not leak
}

TEST(ShiftedSparseAttention, GradientsEqualFiniteDifferences)
{
    const std::vector<std::vector<std::int64_t>> documents = {{0, 3}, {0, 7}};
    for (const AttentionVisibility& visibility :
         {AttentionVisibility{.length = 11, .group = 4},
          AttentionVisibility{.length = 11, .group = 4, .edge = GroupEdge::Circular},
          AttentionVisibility{.length = 11, .group = 6, .documentStarts = documents},
          AttentionVisibility{.length = 11, .full = true}}) {
        Problem p(2, 11, 5, 1, 3);
        p.backward(visibility);
        const std::vector<double> weights = p.dOut.values(); // loss = sum w out
        const auto loss = [&](TestTensor& input, std::int64_t index, double value) {
            const double kept = input.get(index);
            input.set(index, value);
            const std::vector<double> out = p.forward(visibility);
            input.set(index, kept);
            return std::inner_product(out.begin(), out.end(), weights.begin(), 0.0);
        };
        constexpr double kStep = 1e-5;
        const std::pair<TestTensor*, TestTensor*> inputs[] = {
            {&p.q, &p.dQ}, {&p.k, &p.dK}, {&p.v, &p.dV}};
        for (const auto& [input, gradient] : inputs) {
            for (std::int64_t i = 0; i < input->count(); ++i) {
                const double value = input->get(i);
                const double difference =
                    (loss(*input, i, value + kStep) - loss(*input, i, value - kStep)) /
                    (2.0 * kStep);
                EXPECT_NEAR(gradient->get(i), difference, 1e-8) << i;
            }
        }
    }
}

TEST(ShiftedSparseAttention, StridesAndShortTypesChangeNothingButTheRounding)
{
    const AttentionVisibility visibility{.length = 21, .group = 8};
    const KernelCase cases[] = {{Device::Cpu, DType::Float64, 1e-15},
                                {Device::Cpu, DType::Float32, 6e-8},
                                {Device::Cpu, DType::BFloat16, 4e-3},
                                {Device::Cpu, DType::Float16, 5e-4}};
    for (const KernelCase& testCase : cases) {
        Problem strided(2, 21, 4, 2, 6, testCase, 3);
        Problem wide(2, 21, 4, 2, 6);
        wide.q.fill(strided.q.values());
        wide.k.fill(strided.k.values());
        wide.v.fill(strided.v.values());
        wide.dOut.fill(strided.dOut.values());
        EXPECT_LE(relativeError(strided.forward(visibility), wide.forward(visibility)),
                  testCase.tolerance);
        strided.backward(visibility);
        wide.backward(visibility);
        EXPECT_LE(relativeError(strided.dQ.values(), wide.dQ.values()), testCase.tolerance);
        EXPECT_LE(relativeError(strided.dK.values(), wide.dK.values()), testCase.tolerance);
        EXPECT_LE(relativeError(strided.dV.values(), wide.dV.values()), testCase.tolerance);
        for (const TestTensor* t : {&strided.out, &strided.dQ, &strided.dK, &strided.dV}) {
            EXPECT_TRUE(t->gapsAreUntouched());
        }
    }
}

TEST(ShiftedSparseAttention, TheOracleRefusesAGpu)
{
    Problem p(1, 2, 2, 2, 2);
    ShiftedSparseAttention args{p.q.view(), p.k.view(), p.v.view(), p.out.view(), {}, {}};
    args.visibility = {.length = 2, .full = true};
    args.stream.device = Device::Cuda;
    EXPECT_THROW(shiftedSparseAttentionForward(args), KernelError);
}

} // namespace longlora::kernels
