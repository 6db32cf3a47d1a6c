// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/rotary_embedding.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>

namespace longlora::kernels {

namespace {

struct Shape {
    std::int64_t batch, seq, heads, headDim;
};

class RotaryEmbeddingTest : public testing::TestWithParam<KernelCase> {
protected:
    void SetUp() override { LONGLORA_SKIP_WITHOUT_DEVICE(GetParam().device); }

    /// The dtype of tables that go with the case.
    KernelCase tableCase() const
    {
        const bool wide = GetParam().dtype == DType::Float64;
        return {GetParam().device, wide ? DType::Float64 : DType::Float32, 0.0};
    }

    /// Angles of position x base^(-2i/D), as models have them.
    void makeTable(const Shape& shape)
    {
        const std::int64_t pairs = shape.headDim / 2;
        m_cos = std::make_unique<TestTensor>(tableCase(), std::vector{shape.seq, pairs}, 2);
        m_sin = std::make_unique<TestTensor>(tableCase(), std::vector{shape.seq, pairs}, 5);
        for (std::int64_t k = 0; k < shape.seq * pairs; ++k) {
            const auto exponent = static_cast<double>(k % pairs) / static_cast<double>(pairs);
            const double angle = static_cast<double>(k / pairs) * std::pow(10000.0, -exponent);
            m_cos->set(k, std::cos(angle));
            m_sin->set(k, std::sin(angle));
        }
    }

    /// The same by complex multiplication, (x[i] + i x[i + D/2]) e^(i angle).
    std::vector<double> naive(const std::vector<double>& x, const Shape& shape, double sign) const
    {
        std::vector<double> result(x.size());
        const std::int64_t pairs = shape.headDim / 2;
        const auto tokensOfHeads = static_cast<std::int64_t>(x.size()) / shape.headDim;
        for (std::int64_t th = 0; th < tokensOfHeads; ++th) {
            const std::int64_t s = th / shape.heads % shape.seq;
            for (std::int64_t i = 0; i < pairs; ++i) {
                const auto first = static_cast<std::size_t>(th * shape.headDim + i);
                const auto second = first + static_cast<std::size_t>(pairs);
                const std::complex<double> turn(m_cos->get(s * pairs + i),
                                                sign * m_sin->get(s * pairs + i));
                const auto turned = std::complex<double>(x[first], x[second]) * turn;
                result[first] = turned.real();
                result[second] = turned.imag();
            }
        }
        return result;
    }

    void run(void (*rotate)(const RotaryEmbedding&), const TestTensor& x, int threads = 0) const
    {
        rotate({x.view(), m_cos->view(), m_sin->view(), {GetParam().device, nullptr, threads}});
        synchronise(GetParam().device);
    }

    std::mt19937 m_random{7};
    std::unique_ptr<TestTensor> m_cos;
    std::unique_ptr<TestTensor> m_sin;
};

} // namespace

TEST_P(RotaryEmbeddingTest, EqualsComplexMultiplicationAtOddSizesAndStrides)
{
    for (const Shape& shape : {Shape{1, 1, 1, 2}, Shape{2, 5, 3, 6}, Shape{3, 17, 1, 64},
                               Shape{1, 33, 9, 128}, Shape{2, 7, 4, 22}}) {
        makeTable(shape);
        for (const std::int64_t gap : {0, 7}) {
            TestTensor x(GetParam(), {shape.batch, shape.seq, shape.heads, shape.headDim}, gap);
            const std::vector<double> before = x.fillRandom(m_random);

            run(rotaryEmbeddingForward, x);
            EXPECT_LT(relativeError(x.values(), naive(before, shape, 1.0)), GetParam().tolerance);

            x.fill(before);
            run(rotaryEmbeddingBackward, x);
            EXPECT_LT(relativeError(x.values(), naive(before, shape, -1.0)), GetParam().tolerance);
            EXPECT_TRUE(x.gapsAreUntouched());
        }
    }
}

TEST_P(RotaryEmbeddingTest, AnyNumberOfThreadsGivesTheSameBits)
{
    const Shape shape{2, 301, 3, 64};
    makeTable(shape);
    TestTensor one(GetParam(), {shape.batch, shape.seq, shape.heads, shape.headDim});
    TestTensor three(GetParam(), {shape.batch, shape.seq, shape.heads, shape.headDim});
    three.fill(one.fillRandom(m_random));
    run(rotaryEmbeddingForward, one, 1);
    run(rotaryEmbeddingForward, three, 3);
    EXPECT_EQ(one.values(), three.values());
}

class RotaryEmbeddingFloat64Test : public RotaryEmbeddingTest {};

TEST_P(RotaryEmbeddingFloat64Test, BackwardEqualsFiniteDifferences)
{
    const Shape shape{1, 4, 2, 6};
    makeTable(shape);
    TestTensor x(GetParam(), {1, 4, 2, 6});
    TestTensor gradient(GetParam(), {1, 4, 2, 6});
    const std::vector<double> values = x.fillRandom(m_random);
    const std::vector<double> weights = gradient.fillRandom(m_random); // loss = sum w x'
    run(rotaryEmbeddingBackward, gradient);

    const auto loss = [&](std::size_t index, double step) {
        x.fill(values);
        x.set(static_cast<std::int64_t>(index), values[index] + step);
        run(rotaryEmbeddingForward, x);
        double sum = 0.0;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            sum += weights[i] * x.get(static_cast<std::int64_t>(i));
        }
        return sum;
    };
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double difference = (loss(i, 0.5) - loss(i, -0.5)); // the map is linear
        EXPECT_NEAR(gradient.get(static_cast<std::int64_t>(i)), difference, 1e-12) << i;
    }
}

// Two products and a sum, each rounded once in fp32; 16 bits: half a unit of the result.
INSTANTIATE_TEST_SUITE_P(Kernels, RotaryEmbeddingTest,
                         testing::ValuesIn(kernelCases(3e-7, 4e-3, 5e-4)), caseName);
INSTANTIATE_TEST_SUITE_P(Kernels, RotaryEmbeddingFloat64Test, testing::ValuesIn(float64Cases()),
                         caseName);

} // namespace longlora::kernels
