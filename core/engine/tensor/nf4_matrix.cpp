// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/nf4_matrix.h"

#include "core/engine/tensor/kernel_views.h"
#include "kernels/nf4.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>
#include <c10/util/Exception.h>

namespace longlora {

Nf4Matrix::Nf4Matrix(const at::Tensor& weight, const at::Device& device)
    : m_sizes(weight.sizes().vec())
{
    TORCH_CHECK(weight.dim() == 2 && weight.size(1) % 2 == 0,
                "a matrix with an even number of columns is needed");
    const at::Tensor x = weight.to(at::kCPU).contiguous();
    const std::int64_t count = x.numel();
    const std::int64_t blocks = kernels::nf4Blocks(count);
    const std::int64_t groups =
        (blocks + kernels::kAbsmaxGroupSize - 1) / kernels::kAbsmaxGroupSize;
    m_packed = at::empty({kernels::nf4PackedBytes(count)}, at::kByte);
    const at::Tensor absmax = at::empty({blocks}, at::kFloat);
    kernels::nf4Quantize({kernelView(x), m_packed.data_ptr<std::uint8_t>(),
                          absmax.data_ptr<float>(), at::get_num_threads()});
    m_absmaxCodes = at::empty({blocks}, at::kByte);
    m_absmaxScales = at::empty({groups}, at::kFloat);
    m_absmaxOffset = kernels::absmaxQuantize({absmax.const_data_ptr<float>(), blocks,
                                              m_absmaxCodes.data_ptr<std::uint8_t>(),
                                              m_absmaxScales.data_ptr<float>()});
    m_packed = m_packed.to(device);
    m_absmaxCodes = m_absmaxCodes.to(device);
    m_absmaxScales = m_absmaxScales.to(device);
}

void Nf4Matrix::unpack(at::Tensor& y) const
{
    TORCH_CHECK(y.sizes() == m_sizes && y.stride(1) == 1, "room of another shape");
    at::Tensor absmax = at::empty(m_absmaxCodes.sizes(), m_absmaxScales.options());
    const kernels::Stream stream = kernelStream(y);
    kernels::absmaxDequantize({m_absmaxCodes.const_data_ptr<std::uint8_t>(),
                               m_absmaxScales.const_data_ptr<float>(), m_absmaxOffset,
                               absmax.numel(), absmax.data_ptr<float>(), stream});
    kernels::nf4Dequantize({m_packed.const_data_ptr<std::uint8_t>(), absmax.const_data_ptr<float>(),
                            kernelView(y), stream});
}

double Nf4Matrix::bytes() const
{
    return static_cast<double>(m_packed.nbytes() + m_absmaxCodes.nbytes() +
                               m_absmaxScales.nbytes());
}

} // namespace longlora
