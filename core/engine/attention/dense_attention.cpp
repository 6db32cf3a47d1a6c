// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention/dense_attention.h"

#include "core/spec/base/error.h"

#include <ATen/Tensor.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>

#include <array>
#include <tuple>

namespace longlora {

namespace {

enum class Backend { CpuFlash, CudaFlash, CudaEfficient };

Backend backendFor(const at::Tensor& q)
{
    if (q.is_cpu()) {
        return Backend::CpuFlash;
    }
    switch (q.scalar_type()) {
    case at::kBFloat16:
    case at::kHalf:
        return Backend::CudaFlash;
    case at::kFloat:
        return Backend::CudaEfficient;
    default:
        throw DeviceError("attention in fp64 is not available on a GPU",
                          "set precision.compute to bf16 or fp32, or devices.kind to cpu");
    }
}

} // namespace

DenseAttentionResult denseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    bool causal)
{
    switch (backendFor(q)) {
    case Backend::CpuFlash: {
        auto [out, logSumExp] =
            at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal);
        return {out, logSumExp, {}};
    }
    case Backend::CudaFlash: {
        auto result = at::_scaled_dot_product_flash_attention(q, k, v, 0.0, causal, false);
        return {
            std::get<0>(result),
            std::get<1>(result),
            {std::get<2>(result), std::get<3>(result), std::get<6>(result), std::get<7>(result)}};
    }
    case Backend::CudaEfficient:
        break;
    }
    auto [out, logSumExp, seed, offset] =
        at::_scaled_dot_product_efficient_attention(q, k, v, {}, true, 0.0, causal);
    return {out, logSumExp, {seed, offset}};
}

DenseAttentionGradients denseAttentionBackward(const at::Tensor& gradOut, const at::Tensor& q,
                                               const at::Tensor& k, const at::Tensor& v,
                                               const DenseAttentionResult& forward)
{
    std::tuple<at::Tensor, at::Tensor, at::Tensor> gradients;
    switch (backendFor(q)) {
    case Backend::CpuFlash:
        gradients = at::_scaled_dot_product_flash_attention_for_cpu_backward(
            gradOut, q, k, v, forward.out, forward.logSumExp, 0.0, true);
        break;
    case Backend::CudaFlash:
        gradients = at::_scaled_dot_product_flash_attention_backward(
            gradOut, q, k, v, forward.out, forward.logSumExp, forward.rest[0], forward.rest[1],
            q.size(2), k.size(2), 0.0, true, forward.rest[2], forward.rest[3]);
        break;
    case Backend::CudaEfficient: {
        auto [dq, dk, dv, bias] = at::_scaled_dot_product_efficient_attention_backward(
            gradOut, q, k, v, {}, forward.out, forward.logSumExp, forward.rest[0], forward.rest[1],
            0.0, {true, true, true, false}, true);
        gradients = {dq, dk, dv};
        break;
    }
    }
    return {std::get<0>(gradients), std::get<1>(gradients), std::get<2>(gradients)};
}

} // namespace longlora
