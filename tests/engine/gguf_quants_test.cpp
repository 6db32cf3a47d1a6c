// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/dequantize.h"
#include "core/engine/checkpoint/gguf/narrow_float.h"
#include "core/engine/checkpoint/gguf/quantize.h"
#include "tests/support/golden_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <vector>

namespace longlora {

void PrintTo(GgmlType type, std::ostream* stream)
{
    *stream << ggmlTypeInfo(type).name;
}

namespace {

const SafetensorsFile& quants()
{
    static const SafetensorsFile file =
        SafetensorsFile::open(test::golden("gguf/quants.safetensors"));
    return file;
}

std::string nameOf(GgmlType type)
{
    return std::string(ggmlTypeInfo(type).name);
}

class Dequantize : public ::testing::TestWithParam<GgmlType> {};

TEST_P(Dequantize, GivesTheNumbersOfGgmlBitByBit)
{
    const at::Tensor blocks = quants().tensor(nameOf(GetParam()) + ".blocks");
    const at::Tensor expected = quants().tensor(nameOf(GetParam()) + ".values").contiguous();
    std::vector<float> numbers(static_cast<std::size_t>(expected.numel()));
    // One byte off, so that nothing is aligned.
    std::vector<std::byte> bytes(blocks.nbytes() + 1);
    std::memcpy(bytes.data() + 1, blocks.const_data_ptr(), blocks.nbytes());
    dequantize(GetParam(), bytes.data() + 1, expected.numel(), numbers.data());
    EXPECT_EQ(std::memcmp(numbers.data(), expected.const_data_ptr(), expected.nbytes()), 0);
}

INSTANTIATE_TEST_SUITE_P(EachType, Dequantize,
                         ::testing::Values(GgmlType::Q8_0, GgmlType::Q4_0, GgmlType::Q4_1,
                                           GgmlType::Q5_0, GgmlType::Q5_1, GgmlType::Q4_K,
                                           GgmlType::Q5_K, GgmlType::Q6_K),
                         [](const auto& item) { return nameOf(item.param); });

class Quantize : public ::testing::TestWithParam<GgmlType> {};

TEST_P(Quantize, WritesTheBytesOfGgml)
{
    const at::Tensor source = quants().tensor("source").contiguous();
    const at::Tensor expected = quants().tensor(nameOf(GetParam()) + ".quantized");
    std::vector<std::byte> bytes(expected.nbytes());
    quantize(GetParam(), source.const_data_ptr<float>(), source.numel(), bytes.data());
    const auto* const right = static_cast<const std::byte*>(expected.const_data_ptr());
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), right));
}

INSTANTIATE_TEST_SUITE_P(EachType, Quantize,
                         ::testing::Values(GgmlType::F16, GgmlType::BF16, GgmlType::Q8_0),
                         [](const auto& item) { return nameOf(item.param); });

TEST(Quantize, OfFloatsCopiesThem)
{
    const std::vector<float> numbers = {0.0F, -1.5F, std::numeric_limits<float>::max()};
    std::vector<float> copy(3);
    quantize(GgmlType::F32, numbers.data(), 3, reinterpret_cast<std::byte*>(copy.data()));
    EXPECT_EQ(copy, numbers);
    std::vector<float> back(3);
    dequantize(GgmlType::F32, reinterpret_cast<const std::byte*>(copy.data()), 3, back.data());
    EXPECT_EQ(back, numbers);
}

TEST(Quantize, OfTheSmallestNumbersToQ8_0GivesZeros)
{
    const std::vector<float> numbers(32, std::numeric_limits<float>::denorm_min());
    std::vector<std::byte> block(34);
    quantize(GgmlType::Q8_0, numbers.data(), 32, block.data());
    std::vector<float> back(32, 1.0F);
    dequantize(GgmlType::Q8_0, block.data(), 32, back.data());
    EXPECT_EQ(back, std::vector<float>(32, 0.0F));
}

/// All 65,536, against LibTorch's conversion.
TEST(NarrowFloat, EveryHalfAndBfloatBecomesItsFloatAndComesBack)
{
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
        const auto narrow = static_cast<std::uint16_t>(bits);
        const auto half = static_cast<float>(c10::Half(narrow, c10::Half::from_bits()));
        const auto bfloat = static_cast<float>(c10::BFloat16(narrow, c10::BFloat16::from_bits()));
        if (std::isnan(half)) {
            EXPECT_TRUE(std::isnan(floatOfHalf(narrow))) << bits;
            EXPECT_TRUE(std::isnan(floatOfHalf(halfOfFloat(half)))) << bits;
        } else {
            EXPECT_EQ(std::bit_cast<std::uint32_t>(floatOfHalf(narrow)),
                      std::bit_cast<std::uint32_t>(half));
            EXPECT_EQ(halfOfFloat(half), narrow);
        }
        if (std::isnan(bfloat)) {
            EXPECT_TRUE(std::isnan(floatOfBfloat(bfloatOfFloat(bfloat)))) << bits;
        } else {
            EXPECT_EQ(floatOfBfloat(narrow), bfloat);
            EXPECT_EQ(bfloatOfFloat(bfloat), narrow);
        }
    }
}

TEST(NarrowFloat, RoundsToTheNearestAndOfTwoToTheEvenOne)
{
    std::uint32_t state = 12345;
    for (int i = 0; i < 200'000; ++i) {
        state = state * 1664525U + 1013904223U;
        const auto value = std::bit_cast<float>(state);
        if (!std::isfinite(value)) {
            continue;
        }
        EXPECT_EQ(halfOfFloat(value), c10::Half(value).x) << value;
        EXPECT_EQ(bfloatOfFloat(value), c10::BFloat16(value).x) << value;
        const auto small = std::ldexp(static_cast<float>(state & 0xFFFFF), -44); // subnormal halves
        EXPECT_EQ(halfOfFloat(small), c10::Half(small).x) << small;
    }
}

TEST(GgmlType, UnknownAndGivenUpNumbersHaveNoType)
{
    for (const std::uint32_t number : {4U, 5U, 31U, 32U, 33U, 36U, 100U, 0xFFFFFFFFU}) {
        EXPECT_EQ(findGgmlType(number), nullptr) << number;
    }
    EXPECT_EQ(findGgmlType(12)->name, "Q4_K");
    EXPECT_FALSE(findGgmlType(10)->isRead); // Q2_K
}

} // namespace
} // namespace longlora
