// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>

namespace longlora::kernels {

/// Calls `body(begin, end)` for parts that together cover [0, count), in parallel where parts of at
/// least `grain` items are left for it. `threads` 0: as many as OpenMP gives the calling thread.
/// Inside another parallel region everything runs in the calling thread. `body` must not throw.
///
/// By OpenMP because LibTorch uses it: both share one pool of threads, and two pools would compete
/// for the cores.
void parallelFor(std::int64_t count, std::int64_t grain, int threads,
                 const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// Rows of `columns` elements that are worth a thread.
constexpr std::int64_t rowGrain(std::int64_t columns)
{
    constexpr std::int64_t kElementsPerThread = 16384; // about 10 us of work
    return columns >= kElementsPerThread ? 1 : kElementsPerThread / (columns > 0 ? columns : 1);
}

} // namespace longlora::kernels
