// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention/dense_attention.h"

#include "core/engine/attention/cpu_flash_attention.h"
#include "core/engine/attention/windowed_attention.h"
#include "core/spec/base/error.h"

#include <ATen/Tensor.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>

#include <array>
#include <tuple>
#include <utility>

namespace longlora {

namespace {

enum class Backend { CpuTiles, CpuFlash, Windowed, CudaFlash, CudaEfficient };

/// Fewer queries do not repay the copies of the keys that cpuFlashForward makes.
constexpr std::int64_t kFewQueries = 16;

Backend backendFor(const DenseAttention& args)
{
    const at::Tensor& q = args.q;
    if (q.size(2) >= kFewQueries && cpuFlashTakes(q)) {
        return Backend::CpuTiles;
    }
    if (args.visible.window > 0) {
        return Backend::Windowed;
    }
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

bool isCausal(const DenseAttention& args)
{
    return args.visible.firstQuery < args.k.size(2) - 1;
}

DenseAttentionKept kept(const DenseAttention& args, const at::Tensor& out,
                        const at::Tensor& logSumExp, std::vector<at::Tensor> rest = {})
{
    args.out.copy_(out);
    return {logSumExp, std::move(rest)};
}

void give(const DenseAttentionGradients& into, const at::Tensor& dQ, const at::Tensor& dK,
          const at::Tensor& dV)
{
    into.q.copy_(dQ);
    into.k.add_(dK);
    into.v.add_(dV);
}

} // namespace

DenseAttentionKept denseAttention(const DenseAttention& args)
{
    const auto& [q, k, v, out, visible] = args;
    switch (backendFor(args)) {
    case Backend::CpuTiles: {
        const at::Tensor logSumExp =
            at::empty({q.size(0), q.size(1), q.size(2)}, q.options().dtype(at::kFloat));
        cpuFlashForward({q, k, v, out, logSumExp, visible});
        return {logSumExp, {}};
    }
    case Backend::Windowed:
        return {windowedAttention(args), {}};
    case Backend::CpuFlash: {
        const auto [made, logSumExp] =
            at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, isCausal(args));
        return kept(args, made, logSumExp);
    }
    case Backend::CudaFlash: {
        const auto made =
            at::_scaled_dot_product_flash_attention(q, k, v, 0.0, isCausal(args), false);
        return kept(args, std::get<0>(made), std::get<1>(made),
                    {std::get<2>(made), std::get<3>(made), std::get<6>(made), std::get<7>(made)});
    }
    case Backend::CudaEfficient:
        break;
    }
    const auto [made, logSumExp, seed, offset] =
        at::_scaled_dot_product_efficient_attention(q, k, v, {}, true, 0.0, isCausal(args));
    return kept(args, made, logSumExp, {seed, offset});
}

void denseAttentionBackward(const DenseAttention& args, const DenseAttentionKept& kept,
                            const at::Tensor& gradOut, const DenseAttentionGradients& into)
{
    const auto& [q, k, v, out, visible] = args;
    const bool causal = isCausal(args);
    switch (backendFor(args)) {
    case Backend::CpuTiles:
        cpuFlashBackward({gradOut, q, k, v, out, kept.logSumExp, into.q, into.k, into.v, visible});
        return;
    case Backend::Windowed:
        windowedAttentionBackward(args, kept.logSumExp, gradOut, into);
        return;
    case Backend::CpuFlash: {
        const auto [dQ, dK, dV] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
            gradOut, q, k, v, out, kept.logSumExp, 0.0, causal);
        give(into, dQ, dK, dV);
        return;
    }
    case Backend::CudaFlash: {
        const auto [dQ, dK, dV] = at::_scaled_dot_product_flash_attention_backward(
            gradOut, q, k, v, out, kept.logSumExp, kept.rest[0], kept.rest[1], q.size(2), k.size(2),
            0.0, causal, kept.rest[2], kept.rest[3]);
        give(into, dQ, dK, dV);
        return;
    }
    case Backend::CudaEfficient: {
        const auto [dQ, dK, dV, bias] = at::_scaled_dot_product_efficient_attention_backward(
            gradOut, q, k, v, {}, out, kept.logSumExp, kept.rest[0], kept.rest[1], 0.0,
            {true, true, true, false}, causal);
        give(into, dQ, dK, dV);
        return;
    }
    }
}

} // namespace longlora
