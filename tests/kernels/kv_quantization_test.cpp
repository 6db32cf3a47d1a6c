// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/dispatch.h"
#include "kernels/kv_quantization.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace longlora::kernels {

namespace {

struct Shape {
    std::int64_t heads, tokens, headDim;

    std::vector<std::int64_t> sizes() const { return {heads, tokens, headDim}; }
    std::int64_t groups() const { return fourBitGroups(headDim); }
    /// A head has room for more tokens than are written.
    std::int64_t room() const { return tokens + 3; }
    std::size_t allGroups() const { return static_cast<std::size_t>(heads * room() * groups()); }
};

const Shape kShapes[] = {{1, 1, 32}, {2, 5, 64}, {3, 7, 20}, {1, 130, 128}, {5, 3, 33}};

std::vector<FourBitGroup> packedOf(const KernelCase& kernelCase, const Shape& shape,
                                   const TestTensor& x, int threads = 1)
{
    const TestArray<FourBitGroup> groups(kernelCase.device,
                                         std::vector<FourBitGroup>(shape.allGroups()));
    fourBitQuantize(
        {x.view(), {groups.data(), shape.room()}, {kernelCase.device, nullptr, threads}});
    synchronise(kernelCase.device);
    return groups.values();
}

std::vector<double> unpacked(const KernelCase& kernelCase, const Shape& shape,
                             const std::vector<FourBitGroup>& packed, int threads = 1)
{
    const TestArray<FourBitGroup> groups(kernelCase.device, packed);
    const TestTensor y(kernelCase, shape.sizes(), 3);
    fourBitDequantize(
        {{groups.data(), shape.room()}, y.view(), {kernelCase.device, nullptr, threads}});
    synchronise(kernelCase.device);
    EXPECT_TRUE(y.gapsAreUntouched());
    return y.values();
}

/// The group that element `i` of x [heads, tokens, head_dim] is in, and its place in it.
struct Where {
    std::size_t group;
    std::int64_t place;
};
Where whereIs(const Shape& shape, std::int64_t i)
{
    const std::int64_t vector = i / shape.headDim, d = i % shape.headDim;
    const std::int64_t head = vector / shape.tokens, token = vector % shape.tokens;
    return {static_cast<std::size_t>((head * shape.room() + token) * shape.groups() +
                                     d / FourBitGroup::kNumbers),
            d % FourBitGroup::kNumbers};
}

/// minimum + scale code, in float64.
double naive(const FourBitGroup& group, std::int64_t place)
{
    const std::uint8_t byte = group.codes[place % 16];
    const int code = place < 16 ? byte & 15 : byte >> 4;
    return static_cast<double>(toCompute(group.minimum)) +
           static_cast<double>(toCompute(group.scale)) * code;
}

class FourBits : public testing::TestWithParam<KernelCase> {};

TEST_P(FourBits, ComeBackWithinHalfAStep)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    std::mt19937 random(5);
    for (const Shape& shape : kShapes) {
        TestTensor x(GetParam(), shape.sizes(), 2);
        const std::vector<double> exact = x.fillRandom(random, 3.0);
        const std::vector<FourBitGroup> packed = packedOf(GetParam(), shape, x);
        for (std::int64_t i = 0; i < x.count(); ++i) {
            const auto [group, place] = whereIs(shape, i);
            const double half = static_cast<double>(toCompute(packed[group].scale)) / 2.0;
            EXPECT_NEAR(naive(packed[group], place), exact[static_cast<std::size_t>(i)],
                        half * 1.00001)
                << shape.headDim << " " << i;
        }
    }
}

TEST_P(FourBits, AreReadAsTheFormulaSays)
{
    LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device);
    std::mt19937 random(7);
    for (const Shape& shape : kShapes) {
        TestTensor x(GetParam(), shape.sizes());
        x.fillRandom(random);
        const std::vector<FourBitGroup> packed = packedOf(GetParam(), shape, x);
        std::vector<double> expected;
        for (std::int64_t i = 0; i < x.count(); ++i) {
            const auto [group, place] = whereIs(shape, i);
            expected.push_back(naive(packed[group], place));
        }
        EXPECT_LT(relativeError(unpacked(GetParam(), shape, packed), expected),
                  GetParam().tolerance)
            << shape.headDim;
    }
}

// Arithmetic is in fp32, also for fp64.
std::vector<KernelCase> cases()
{
    std::vector<KernelCase> cases = kernelCases(2e-7, 1.0, 1.0);
    for (KernelCase& one : cases) {
        one.tolerance = std::max(one.tolerance, 2e-7);
    }
    return cases;
}

INSTANTIATE_TEST_SUITE_P(Dtypes, FourBits, testing::ValuesIn(cases()), caseName);

const KernelCase kFloat{Device::Cpu, DType::Float32, 0.0};

bool same(const std::vector<FourBitGroup>& a, const std::vector<FourBitGroup>& b)
{
    return a.size() == b.size() &&
           std::memcmp(a.data(), b.data(), a.size() * sizeof(FourBitGroup)) == 0;
}

TEST(FourBitGroups, DoNotDependOnTheNumberOfThreads)
{
    const Shape shape{3, 700, 40};
    std::mt19937 random(9);
    TestTensor x(kFloat, shape.sizes());
    x.fillRandom(random);
    const std::vector<FourBitGroup> packed = packedOf(kFloat, shape, x, 1);
    EXPECT_TRUE(same(packedOf(kFloat, shape, x, 3), packed));
    EXPECT_EQ(unpacked(kFloat, shape, packed, 3), unpacked(kFloat, shape, packed, 1));
}

TEST(FourBitGroups, OfAVectorDependOnThatVectorAlone)
{
    const Shape whole{2, 9, 48}, one{2, 1, 48};
    std::mt19937 random(11);
    TestTensor x(kFloat, whole.sizes());
    x.fillRandom(random);
    const std::vector<FourBitGroup> packed = packedOf(kFloat, whole, x);
    TestTensor last(kFloat, one.sizes());
    for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t d = 0; d < 48; ++d) {
            last.set(head * 48 + d, x.get((head * 9 + 8) * 48 + d));
        }
    }
    const std::vector<FourBitGroup> alone = packedOf(kFloat, one, last);
    for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t group = 0; group < 2; ++group) {
            EXPECT_EQ(
                std::memcmp(
                    &packed[static_cast<std::size_t>((head * whole.room() + 8) * whole.groups() +
                                                     group)],
                    &alone[static_cast<std::size_t>(head * one.room() * one.groups() + group)],
                    sizeof(FourBitGroup)),
                0);
        }
    }
}

TEST(FourBitGroups, OfEqualNumbersAreExactWhereBf16Is)
{
    const Shape shape{1, 1, 32};
    for (const double value : {0.0, 1.0, -3.5, 0x1.8p100, -0x1p-100}) {
        TestTensor x(kFloat, shape.sizes());
        x.fill(std::vector<double>(32, value));
        EXPECT_EQ(unpacked(kFloat, shape, packedOf(kFloat, shape, x)), x.values()) << value;
    }
}

TEST(FourBitGroups, WithNaNOrInfinityAreNaNAndNoOtherIs)
{
    const Shape shape{1, 1, 64};
    const double bad[] = {std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::infinity(),
                          -std::numeric_limits<double>::infinity()};
    for (const double value : bad) {
        for (const std::int64_t at : {0, 31}) {
            std::mt19937 random(13);
            TestTensor x(kFloat, shape.sizes());
            x.fillRandom(random);
            x.set(at, value);
            const std::vector<double> y = unpacked(kFloat, shape, packedOf(kFloat, shape, x));
            for (std::size_t i = 0; i < y.size(); ++i) {
                EXPECT_EQ(std::isnan(y[i]), i < 32) << value << " " << i;
            }
        }
    }
}

} // namespace

} // namespace longlora::kernels
