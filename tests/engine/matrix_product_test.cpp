// SPDX-License-Identifier: GPL-3.0-or-later
// Products by whoever is faster, against fp64.
#include "core/engine/tensor/matrix_product.h"
#include "kernels/matrix_units.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>

namespace longlora {
namespace {

constexpr std::int64_t kRows = 140, kColumns = 50, kInner = 40;

at::Tensor numbers(at::IntArrayRef shape, at::ScalarType type)
{
    return at::randn(shape, at::kDouble).to(type);
}

void expectEqual(const at::Tensor& is, const at::Tensor& shouldBe)
{
    const double error =
        ((is.to(at::kDouble) - shouldBe).abs() / (1.0 + shouldBe.abs())).max().item<double>();
    EXPECT_LT(error, is.scalar_type() == at::kDouble ? 1e-13 : 1.0 / 256.0);
}

class MatrixProduct : public testing::TestWithParam<at::ScalarType> {
protected:
    MatrixProduct()
    {
        at::manual_seed(3);
        left = numbers({kRows, kInner + 8}, GetParam()).narrow(1, 0, kInner);
        right = numbers({kInner, kColumns}, GetParam());
        product = at::matmul(left.to(at::kDouble), right.to(at::kDouble));
    }

    at::Tensor left, right, product;
};

TEST_P(MatrixProduct, TakesEitherLayoutOfBothFactors)
{
    for (const at::Tensor& l : {left, left.t().contiguous().t()}) {
        for (const at::Tensor& r : {right, right.t().contiguous().t()}) {
            expectEqual(multiplied({l, r}), product);
            expectEqual(multiplied({l, r, {}, 0.5}), 0.5 * product);
        }
    }
}

TEST_P(MatrixProduct, AddsAMatrixABiasOrWhatStandsThere)
{
    const at::Tensor matrix = numbers({kRows, kColumns}, GetParam());
    const at::Tensor bias = numbers({kColumns}, GetParam());
    expectEqual(multiplied({left, right, matrix, 2.0}), 2.0 * product + matrix.to(at::kDouble));
    expectEqual(multiplied({left, right, bias}), product + bias.to(at::kDouble));
    at::Tensor sum = matrix.clone();
    multiplyInto(sum, {left, right, sum, 2.0});
    expectEqual(sum, 2.0 * product + matrix.to(at::kDouble));
}

TEST_P(MatrixProduct, WritesColumnsOfAWiderTensorAlone)
{
    at::Tensor whole = at::ones({kRows, kColumns + 9}, GetParam());
    at::Tensor out = whole.narrow(1, 4, kColumns);
    multiplyInto(out, {left, right});
    expectEqual(out, product);
    EXPECT_TRUE((whole.narrow(1, 0, 4) == 1.0).all().item<bool>());
    EXPECT_TRUE((whole.narrow(1, 4 + kColumns, 5) == 1.0).all().item<bool>());
}

TEST_P(MatrixProduct, IsOursForManyRowsInBFloat16)
{
    EXPECT_EQ(isOurs({left, right}), GetParam() == at::kBFloat16 && kernels::hasMatrixUnits());
    EXPECT_FALSE(isOurs({left.narrow(0, 0, 1), right}));
}

INSTANTIATE_TEST_SUITE_P(Types, MatrixProduct, testing::Values(at::kDouble, at::kBFloat16));

} // namespace
} // namespace longlora
