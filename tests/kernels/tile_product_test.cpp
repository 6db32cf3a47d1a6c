// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/matrix_units.h"
#include "kernels/paired_matrix.h"
#include "kernels/tile_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace longlora::kernels {

namespace {

std::vector<BFloat16> randomNumbers(std::int64_t count, unsigned seed)
{
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    std::vector<BFloat16> made(static_cast<std::size_t>(count));
    for (BFloat16& x : made) {
        x = fromCompute<BFloat16>(normal(engine));
    }
    return made;
}

/// Matrices of a product, A in rows that are longer than `inner`.
struct Problem {
    Problem(std::int64_t rows, std::int64_t columns, std::int64_t inner, bool adds)
        : strideA(inner + 8)
        , a(randomNumbers(rows * strideA, 1))
        , b(randomNumbers(inner * columns, 2))
        , paired(b.size())
        , c(static_cast<std::size_t>(rows * columns), 0.5F)
    {
        pairRows(Rows<BFloat16>{b.data(), columns, inner}, columns, inner, paired.data());
        product = {rows, columns, inner, adds, a.data(), strideA, paired.data(), c.data()};
    }

    void expectDone() const
    {
        for (std::int64_t r = 0; r < product.rows; ++r) {
            for (std::int64_t col = 0; col < product.columns; ++col) {
                double sum = product.adds ? 0.5 : 0.0;
                for (std::int64_t i = 0; i < product.inner; ++i) {
                    sum += static_cast<double>(toCompute(a[at(r * strideA + i)])) *
                           static_cast<double>(toCompute(b[at(i * product.columns + col)]));
                }
                ASSERT_NEAR(c[at(r * product.columns + col)], sum,
                            1e-6 * static_cast<double>(product.inner))
                    << r << ", " << col << " of " << product.rows << " x " << product.columns;
            }
        }
    }

    static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

    std::int64_t strideA;
    std::vector<BFloat16> a, b, paired;
    std::vector<float> c;
    TileProduct product;
};

class TileQueueTest : public testing::Test {
protected:
    void SetUp() override
    {
        if (!hasMatrixUnits()) {
            GTEST_SKIP() << "NO MATRIX UNITS: the kernel was compiled but NOT run";
        }
    }
};

} // namespace

TEST_F(TileQueueTest, EqualsTheNaiveSum)
{
    const TileSession session;
    for (const bool adds : {false, true}) {
        for (const std::int64_t inner : {32, 64, 96, 128}) { // 64 has a way of its own
            for (const std::int64_t rows : {32, 64, 96}) {
                Problem problem(rows, 160 - rows, inner, adds);
                TileQueue queue;
                queue.add(problem.product);
                queue.finish();
                problem.expectDone();
            }
        }
    }
}

TEST_F(TileQueueTest, TakesSeveralOneAfterAnotherAndIsThenEmpty)
{
    const TileSession session;
    TileQueue queue;
    for (int round = 0; round < 2; ++round) {
        Problem first(64, 128, 64, false), second(64, 64, 128, true), third(32, 32, 32, false);
        for (Problem* problem : {&first, &second, &third}) {
            queue.add(problem->product);
        }
        EXPECT_EQ(queue.steps(), 8 * 2 + 4 * 4 + 1);
        queue.finish();
        EXPECT_EQ(queue.steps(), 0);
        for (const Problem* problem : {&first, &second, &third}) {
            problem->expectDone();
        }
    }
}

} // namespace longlora::kernels
