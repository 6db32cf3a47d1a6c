// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned columns = 1, unsigned rows = 1, unsigned layers = 1)
        : x(columns)
        , y(rows)
        , z(layers)
    {}
};

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace emulated_cuda {

/// Runs `thread` once for every thread of every block: blocks one after another, the threads of a
/// block in turn, each up to where it waits for others. In every second block they take turns in
/// the opposite order, so that a missing __syncthreads() shows in one of the two. Dynamic shared
/// memory is NaN at the start. Ends the program where threads wait for each other forever.
void runBlocks(dim3 grid, dim3 block, std::size_t sharedBytes, const std::function<void()>& thread);

/// Waits for all threads of the block that are still running.
void waitForBlock();
/// Puts `own` of each thread of the warp, at most 8 bytes, side by side: [32][8].
const std::byte (*exchangeInWarp(const void* own, std::size_t bytes))[8];
int laneOfThread();
void* dynamicShared();

/// The call `kernel<<<grid, block, shared, stream>>>(arguments...)`, translated.
template <typename Kernel>
auto launch(dim3 grid, dim3 block, std::size_t sharedBytes, void*, Kernel kernel)
{
    return [=](auto... arguments) {
        runBlocks(grid, block, sharedBytes, [&] { kernel(arguments...); });
    };
}

template <typename Value>
Value fromLane(Value own, int lane)
{
    const auto* all = exchangeInWarp(&own, sizeof own);
    Value other;
    std::memcpy(&other, all[lane], sizeof other);
    return other;
}

} // namespace emulated_cuda

inline void __syncthreads()
{
    emulated_cuda::waitForBlock();
}
template <typename Value>
Value __shfl_xor_sync(unsigned, Value own, int mask)
{
    return emulated_cuda::fromLane(own, emulated_cuda::laneOfThread() ^ mask);
}
template <typename Value>
Value __shfl_down_sync(unsigned, Value own, int distance)
{
    const int lane = emulated_cuda::laneOfThread();
    return emulated_cuda::fromLane(own, lane + distance < 32 ? lane + distance : lane);
}
