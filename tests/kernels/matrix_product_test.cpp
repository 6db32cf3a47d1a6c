// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/matrix_product.h"
#include "kernels/matrix_units.h"
#include "tests/kernels/test_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace longlora::kernels {

namespace {

const KernelCase kShort{Device::Cpu, DType::BFloat16, 0.0};

/// Which of the two dimensions of `right` has the stride 1.
enum class RightLayout : std::uint8_t { Rows, Columns };
enum class Addend : std::uint8_t { None, Matrix, OneRow, Result };

struct Shape {
    std::int64_t m, n, k;
};

std::size_t index(std::int64_t i)
{
    return static_cast<std::size_t>(i);
}

class Problem {
public:
    Problem(const Shape& shape, RightLayout layout, Addend kind = Addend::None,
            std::int64_t gap = 0)
        : m_shape(shape)
        , m_layout(layout)
        , m_addendKind(kind)
        , left(kShort, {shape.m, shape.k}, gap)
        , right(kShort,
                layout == RightLayout::Rows ? std::vector{shape.k, shape.n}
                                            : std::vector{shape.n, shape.k},
                gap)
        , addend(kShort, {kind == Addend::OneRow ? 1 : shape.m, shape.n}, gap)
        , out(kShort, {shape.m, shape.n}, gap)
    {
        std::mt19937 random(static_cast<unsigned>(shape.m * 10000 + shape.n * 100 + shape.k));
        left.fillRandom(random);
        right.fillRandom(random);
        addend.fillRandom(random, std::sqrt(static_cast<double>(shape.k)));
    }

    std::vector<double> multiplied(float scale = 1.0F, int threads = 1)
    {
        MatrixProduct product;
        product.left = left.view();
        product.right = rightView();
        product.out = out.view();
        product.scale = scale;
        product.threads = threads;
        if (m_addendKind == Addend::Result) {
            out.fill(addend.values());
            product.addend = out.view();
        } else if (m_addendKind != Addend::None) {
            TensorView view = addend.view();
            view.strides[0] = m_addendKind == Addend::OneRow ? 0 : view.strides[0];
            product.addend = view;
        }
        matrixProduct(product);
        return out.values();
    }

    std::vector<double> naive(double scale = 1.0) const
    {
        const std::vector<double> a = left.values(), b = right.values(), c = addend.values();
        const auto [m, n, k] = m_shape;
        const std::int64_t kStep = m_layout == RightLayout::Rows ? n : 1;
        const std::int64_t nStep = m_layout == RightLayout::Rows ? 1 : k;
        std::vector<double> result(index(m * n));
        for (std::int64_t i = 0; i < m * n; ++i) {
            const std::int64_t row = i / n, column = i % n;
            double sum = 0.0;
            for (std::int64_t j = 0; j < k; ++j) {
                sum += a[index(row * k + j)] * b[index(j * kStep + column * nStep)];
            }
            const std::int64_t added = m_addendKind == Addend::OneRow ? column : i;
            result[index(i)] = scale * sum + (m_addendKind == Addend::None ? 0.0 : c[index(added)]);
        }
        return result;
    }

private:
    TensorView rightView() const
    {
        TensorView view = right.view();
        if (m_layout == RightLayout::Columns) {
            std::swap(view.sizes[0], view.sizes[1]);
            std::swap(view.strides[0], view.strides[1]);
        }
        return view;
    }

    Shape m_shape;
    RightLayout m_layout;
    Addend m_addendKind;

public:
    TestTensor left, right, addend, out;
};

/// Half a unit in the last place of bf16, and what fp32 loses in the sum.
void expectRounded(const std::vector<double>& actual, const std::vector<double>& expected,
                   std::int64_t inner, const std::string& what)
{
    ASSERT_EQ(actual.size(), expected.size()) << what;
    const double lost = 1e-6 * std::sqrt(static_cast<double>(inner));
    for (std::size_t i = 0; i < actual.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i], std::abs(expected[i]) / 256.0 + lost)
            << what << ", element " << i;
    }
}

class MatrixProductTest : public testing::TestWithParam<RightLayout> {
protected:
    void SetUp() override
    {
        if (!hasMatrixUnits()) {
            GTEST_SKIP() << "NO MATRIX UNITS: the kernel was compiled but NOT run";
        }
    }
};

} // namespace

TEST_P(MatrixProductTest, EqualsTheNaiveSumAtOddSizesAndStrides)
{
    for (const std::int64_t k : {1, 2, 31, 32, 65, 536}) {
        for (const Shape& shape : {Shape{1, 1, k}, Shape{16, 8, k}, Shape{33, 31, k},
                                   Shape{97, 64, k}, Shape{70, 545, k}}) {
            for (const std::int64_t gap : {0, 5}) {
                Problem p(shape, GetParam(), Addend::None, gap);
                expectRounded(p.multiplied(), p.naive(), k,
                              testing::PrintToString(std::vector{shape.m, shape.n, k, gap}));
                EXPECT_TRUE(p.out.gapsAreUntouched());
            }
        }
    }
}

// The inner dimension is cut, and the sums wait in fp32.
TEST_P(MatrixProductTest, LongSumsAreRoundedOnce)
{
    for (const Shape& shape : {Shape{40, 33, 2049}, Shape{600, 520, 2100}, Shape{64, 40, 5001}}) {
        Problem p(shape, GetParam(), Addend::Matrix);
        expectRounded(p.multiplied(), p.naive(), shape.k, std::to_string(shape.k));
    }
}

TEST_P(MatrixProductTest, AddsAMatrixARowOrWhatStandsThere)
{
    for (const Addend addend : {Addend::Matrix, Addend::OneRow, Addend::Result}) {
        Problem p({75, 100, 130}, GetParam(), addend, 3);
        expectRounded(p.multiplied(0.25F), p.naive(0.25), 130,
                      std::to_string(static_cast<int>(addend)));
    }
}

TEST_P(MatrixProductTest, DoesNotDependOnTheNumberOfThreads)
{
    for (const Shape& shape : {Shape{2000, 100, 40}, Shape{1100, 300, 2100}}) {
        Problem p(shape, GetParam());
        const std::vector<double> one = p.multiplied(1.0F, 1);
        EXPECT_EQ(p.multiplied(1.0F, 3), one);
        EXPECT_EQ(p.multiplied(1.0F, 7), one);
    }
}

TEST_P(MatrixProductTest, NaNStaysInItsRowAndItsColumn)
{
    constexpr std::int64_t n = 50, k = 70, row = 41, column = 37;
    Problem p({60, n, k}, GetParam());
    p.left.set(row * k + 3, std::numeric_limits<double>::quiet_NaN());
    p.right.set(GetParam() == RightLayout::Rows ? 69 * n + column : column * k + 69,
                std::numeric_limits<double>::quiet_NaN());
    const std::vector<double> out = p.multiplied();
    for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_EQ(std::isnan(out[i]), i / n == row || i % n == column) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Layouts, MatrixProductTest,
                         testing::Values(RightLayout::Rows, RightLayout::Columns),
                         [](const testing::TestParamInfo<RightLayout>& layout) {
                             return layout.param == RightLayout::Rows ? "Rows" : "Columns";
                         });

} // namespace longlora::kernels
