// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/kernel_views.h"

#include <ATen/Parallel.h>
#include <ATen/Tensor.h>

#if defined(LONGLORA_WITH_CUDA)
#    include <c10/cuda/CUDAStream.h>
#endif

namespace longlora {

namespace {

kernels::DType kernelDtype(at::ScalarType dtype)
{
    switch (dtype) {
    case at::kDouble:
        return kernels::DType::Float64;
    case at::kBFloat16:
        return kernels::DType::BFloat16;
    case at::kHalf:
        return kernels::DType::Float16;
    default:
        return kernels::DType::Float32;
    }
}

} // namespace

kernels::TensorView kernelView(const at::Tensor& x)
{
    kernels::TensorView result{
        x.data_ptr(), kernelDtype(x.scalar_type()), static_cast<int>(x.dim()), {}, {}};
    for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
        result.sizes[static_cast<std::size_t>(axis)] = x.size(axis);
        result.strides[static_cast<std::size_t>(axis)] = x.stride(axis);
    }
    return result;
}

kernels::TensorView kernelRows(const at::Tensor& x)
{
    TORCH_CHECK(x.is_contiguous(), "rows of a tensor that is not contiguous");
    const std::int64_t columns = x.size(-1);
    return kernels::contiguousView(x.data_ptr(), kernelDtype(x.scalar_type()),
                                   {columns == 0 ? 0 : x.numel() / columns, columns});
}

kernels::Stream kernelStream(const at::Tensor& x)
{
    kernels::Stream stream;
    stream.threads = at::get_num_threads();
    if (x.is_cuda()) {
        stream.device = kernels::Device::Cuda;
#if defined(LONGLORA_WITH_CUDA)
        stream.handle = c10::cuda::getCurrentCUDAStream(x.get_device()).stream();
#endif
    }
    return stream;
}

} // namespace longlora
