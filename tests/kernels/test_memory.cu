// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda_check.cuh"
#include "tests/kernels/test_memory.h"

namespace longlora::kernels::cuda {

bool deviceIsPresent()
{
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

void synchronise()
{
    cudaCheck(cudaDeviceSynchronize());
}

std::shared_ptr<void> managedMemory(std::size_t bytes)
{
    void* memory = nullptr;
    cudaCheck(cudaMallocManaged(&memory, bytes));
    return {memory, [](void* managed) { cudaFree(managed); }};
}

} // namespace longlora::kernels::cuda
