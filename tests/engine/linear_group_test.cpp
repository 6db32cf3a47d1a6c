// SPDX-License-Identifier: GPL-3.0-or-later
// Linear maps of one input, stacked and not, against each map's formula in fp64.
#include "core/engine/train/layer/linear_group.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace longlora {
namespace {

constexpr std::int64_t kTokens = 21;
constexpr std::int64_t kInputs = 24;
constexpr double kScale = 1.7;

struct Case {
    std::string name;
    std::vector<std::int64_t> ranks; ///< of each map; 0: no update
    bool hasBias = false;
    bool isInFourBits = false; ///< then only A is stacked
    bool hasRoom = true;
};

at::Tensor numbers(at::IntArrayRef shape, at::ScalarType dtype)
{
    return at::randn(shape, at::kDouble).to(dtype);
}

/// A group's maps, and their gradients, as a layer would have them.
struct Maps {
    Maps(const Case& c, at::ScalarType dtype)
    {
        at::manual_seed(5);
        for (std::size_t i = 0; i < c.ranks.size(); ++i) {
            const std::int64_t outputs = 16 + 8 * static_cast<std::int64_t>(i);
            LoraLinear map{numbers({outputs, kInputs}, dtype),
                           c.hasBias ? numbers({outputs}, dtype) : at::Tensor(),
                           {},
                           {},
                           {}};
            LoraLinear gradient;
            if (c.ranks[i] > 0) {
                map.lora = LoraPair{numbers({c.ranks[i], kInputs}, dtype),
                                    numbers({outputs, c.ranks[i]}, dtype), kScale};
                gradient.lora = LoraPair{at::zeros({c.ranks[i], kInputs}, at::kDouble),
                                         at::zeros({outputs, c.ranks[i]}, at::kDouble), kScale};
            }
            linears.push_back(map);
            gradients.push_back(gradient);
        }
        plain = linears;
        if (c.isInFourBits) {
            forgetWeights();
        }
        stack = stackLora(pointers(linears));
        sums = stackLora(pointers(gradients));
        if (c.isInFourBits) {
            for (std::size_t i = 0; i < linears.size(); ++i) {
                linears[i].weight = plain[i].weight; // unpacked
            }
        }
    }

    void forgetWeights()
    {
        for (LoraLinear& map : linears) {
            map.weight.reset();
        }
    }
    static std::vector<LoraLinear*> pointers(std::vector<LoraLinear>& maps)
    {
        std::vector<LoraLinear*> result;
        for (LoraLinear& map : maps) {
            result.push_back(&map);
        }
        return result;
    }
    static LinearGroup group(const std::vector<LoraLinear>& maps, const LoraStack& stack)
    {
        LinearGroup result{{}, stack};
        for (const LoraLinear& map : maps) {
            result.maps.push_back(&map);
        }
        return result;
    }

    std::vector<LoraLinear> linears, gradients;
    std::vector<LoraLinear> plain; ///< before they were stacked
    LoraStack stack, sums;
};

at::Tensor wide(const at::Tensor& x)
{
    return x.to(at::kDouble);
}

/// W + scale B A.
at::Tensor merged(const LoraLinear& map)
{
    const at::Tensor weight = wide(map.weight);
    return map.lora ? weight + kScale * at::mm(wide(map.lora->b), wide(map.lora->a)) : weight;
}

RowsWithRoom inputOf(const Case& c, const Maps& maps, at::ScalarType dtype)
{
    RowsWithRoom x = rowsWithRoom(kTokens, kInputs, c.hasRoom ? maps.stack.rank() : 0, dtype);
    x.whole.fill_(NAN); // what stands in the room does not matter
    x.rows.copy_(numbers({kTokens, kInputs}, dtype));
    return x;
}

std::vector<at::Tensor> forward(const Maps& maps, const RowsWithRoom& x)
{
    std::vector<at::Tensor> ys;
    for (const LoraLinear& map : maps.linears) {
        ys.push_back(at::empty({kTokens, map.weight.size(0)}, x.rows.options()));
    }
    linearGroupForward(Maps::group(maps.linears, maps.stack), x, ys);
    return ys;
}

class LinearGroups : public testing::TestWithParam<Case> {};

TEST_P(LinearGroups, MapLikeMergedWeights)
{
    const c10::NoGradGuard noGradients;
    const Case& c = GetParam();
    const Maps maps(c, at::kDouble);
    const RowsWithRoom x = inputOf(c, maps, at::kDouble);
    const std::vector<at::Tensor> ys = forward(maps, x);
    for (std::size_t i = 0; i < ys.size(); ++i) {
        at::Tensor expected = at::mm(x.rows, merged(maps.plain[i]).t());
        if (c.hasBias) {
            expected += maps.plain[i].bias;
        }
        EXPECT_LT((ys[i] - expected).abs().max().item<double>(), 1e-12) << i;
    }
}

TEST_P(LinearGroups, LeaveOutWhatIsNotAskedFor)
{
    const c10::NoGradGuard noGradients;
    const Case& c = GetParam();
    const Maps maps(c, at::kDouble);
    const RowsWithRoom x = inputOf(c, maps, at::kDouble);
    const std::vector<at::Tensor> all = forward(maps, x);
    std::vector<at::Tensor> others;
    for (const at::Tensor& y : all) {
        others.push_back(at::empty_like(y));
    }
    others.front().reset();
    linearGroupForward(Maps::group(maps.linears, maps.stack), x, others);
    for (std::size_t i = 1; i < all.size(); ++i) {
        EXPECT_TRUE(at::equal(others[i], all[i])) << i;
    }
}

TEST_P(LinearGroups, HaveTheGradientsOfTheFormula)
{
    const c10::NoGradGuard noGradients;
    const Case& c = GetParam();
    const Maps maps(c, at::kDouble);
    const RowsWithRoom x = inputOf(c, maps, at::kDouble);
    std::vector<at::Tensor> dYs;
    at::Tensor expectedInput = at::zeros({kTokens, kInputs}, at::kDouble);
    RowsWithRoom last;
    for (const LoraLinear& map : maps.plain) {
        last = rowsWithRoom(kTokens, map.weight.size(0), c.hasRoom ? maps.stack.rank() : 0,
                            at::kDouble);
        last.whole.fill_(NAN);
        last.rows.copy_(numbers({kTokens, map.weight.size(0)}, at::kDouble));
        dYs.push_back(last.rows);
        expectedInput += at::mm(last.rows, merged(map));
    }
    at::Tensor dX = at::full({kTokens, kInputs}, NAN, at::kDouble);
    const LinearGroup group = Maps::group(maps.linears, maps.stack);
    const LinearGroup sums = Maps::group(maps.gradients, maps.sums);
    for (int micro = 0; micro < 2; ++micro) { // gradients add up
        linearGroupBackward({group, sums, x.rows, dYs, last}, dX);
    }
    EXPECT_LT((dX - expectedInput).abs().max().item<double>(), 1e-11);
    for (std::size_t i = 0; i < dYs.size(); ++i) {
        if (!maps.plain[i].lora) {
            continue;
        }
        const LoraPair &pair = *maps.plain[i].lora, &sum = *maps.gradients[i].lora;
        const at::Tensor dA = 2.0 * kScale * at::mm(at::mm(dYs[i], pair.b).t(), x.rows);
        const at::Tensor dB = 2.0 * kScale * at::mm(dYs[i].t(), at::mm(x.rows, pair.a.t()));
        EXPECT_LT((sum.a - dA).abs().max().item<double>(), 1e-10) << i;
        EXPECT_LT((sum.b - dB).abs().max().item<double>(), 1e-10) << i;
    }
}

/// What is trained can be changed: the matrix computes with it.
TEST_P(LinearGroups, ComputeWithTheSlices)
{
    const c10::NoGradGuard noGradients;
    const Case& c = GetParam();
    const Maps maps(c, at::kDouble);
    const RowsWithRoom x = inputOf(c, maps, at::kDouble);
    for (const LoraLinear& map : maps.linears) {
        if (map.lora) {
            map.lora->b.mul_(-0.5);
            map.lora->a.mul_(3.0);
        }
    }
    const std::vector<at::Tensor> ys = forward(maps, x);
    for (std::size_t i = 0; i < ys.size(); ++i) {
        at::Tensor expected = at::mm(x.rows, merged(maps.linears[i]).t());
        if (c.hasBias) {
            expected += maps.plain[i].bias;
        }
        EXPECT_LT((ys[i] - expected).abs().max().item<double>(), 1e-12) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Variants, LinearGroups,
    testing::Values(Case{"all", {3, 3, 3}}, Case{"one", {8}}, Case{"oneWithBias", {5}, true},
                    Case{"withoutTheMiddle", {2, 0, 2}, true}, Case{"withoutTheLast", {4, 0}},
                    Case{"onlyTheLast", {0, 4}}, Case{"noRoom", {3, 3, 3}, true, false, false},
                    Case{"fourBits", {3, 3, 3}, true, true},
                    Case{"fourBitsNoRoom", {3, 0}, false, true, false},
                    Case{"none", {0, 0}, true, false, false}),
    [](const auto& named) { return named.param.name; });

/// In bf16 the update is summed before the one rounding, not after a rounding of its own.
TEST(LinearGroup, RoundsOnceInBf16)
{
    const c10::NoGradGuard noGradients;
    const Case c{"", {8, 8}};
    const auto error = [&](bool hasRoom) {
        const Maps maps(c, at::kBFloat16);
        Case variant = c;
        variant.hasRoom = hasRoom;
        const RowsWithRoom x = inputOf(variant, maps, at::kBFloat16);
        const LoraLinear& map = maps.linears[1];
        map.lora->b.mul_(0.05); // so that the rounding of y is what counts, not that of h
        const at::Tensor y = wide(forward(maps, x)[1]);
        return (y - at::mm(wide(x.rows), merged(map).t())).norm().item<double>();
    };
    EXPECT_LT(error(true), 0.8 * error(false));
}

} // namespace
} // namespace longlora
