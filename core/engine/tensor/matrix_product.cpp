// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/matrix_product.h"

#include "core/engine/tensor/kernel_views.h"
#include "kernels/matrix_product.h"
#include "kernels/matrix_units.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>

namespace longlora {

namespace {

bool isShort(const at::Tensor& x)
{
    return x.is_cpu() && x.scalar_type() == at::kBFloat16;
}

/// One row for all is one that is repeated by a stride of 0.
kernels::TensorView addendView(const at::Tensor& addend, const at::Tensor& out)
{
    return addend.defined() ? kernelView(addend.expand_as(out)) : kernels::TensorView{};
}

} // namespace

bool isOurs(const Product& product)
{
    constexpr std::int64_t kManyRows = 128; // that pay for packing a wide `right`
    const auto& [left, right, addend, scale] = product;
    return isShort(left) && isShort(right) &&
           (!addend.defined() || (isShort(addend) && addend.stride(-1) == 1)) &&
           left.size(0) >= kManyRows && left.size(1) > 0 && left.stride(1) == 1 &&
           (right.stride(0) == 1 || right.stride(1) == 1) && kernels::hasMatrixUnits();
}

void multiplyInto(at::Tensor& out, const Product& product)
{
    const auto& [left, right, addend, scale] = product;
    if (isOurs(product) && isShort(out) && out.stride(1) == 1) {
        kernels::matrixProduct({kernelView(left), kernelView(right), kernelView(out),
                                addendView(addend, out), static_cast<float>(scale),
                                at::get_num_threads()});
    } else if (addend.defined()) {
        at::addmm_out(out, addend, left, right, 1.0, scale);
    } else if (scale != 1.0) {
        at::addmm_out(out, out, left, right, /*beta=*/0.0, scale);
    } else {
        at::mm_out(out, left, right);
    }
}

at::Tensor multiplied(const Product& product)
{
    at::Tensor out =
        at::empty({product.left.size(0), product.right.size(1)}, product.left.options());
    multiplyInto(out, product);
    return out;
}

} // namespace longlora
