// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>

namespace longlora {

/// Blocks of a megabyte and more for tensors on the processor, kept after use for the next tensor
/// of about that size: fresh pages cost more than the arithmetic of a small model, and a heap that
/// keeps them fills with gaps. Blocks are mapped one by one, on huge pages where the kernel gives
/// them. What is mapped never exceeds the largest sum of blocks that were in use at one time, so
/// the resident memory of a run is that of its tensors. Threading: any.
class HostPool {
public:
    /// The one pool of the process; never destroyed, since tensors may outlive everything.
    static HostPool& instance();

    /// Smaller requests are the C library's.
    static constexpr std::size_t kSmallestBlockBytes = std::size_t{1} << 20;

    /// Aligned to a page. nullptr: the kernel gives no more.
    void* take(std::size_t bytes);
    /// Whether `block` was the pool's.
    bool giveBack(void* block);

    struct Statistics {
        std::size_t liveBytes = 0;
        std::size_t peakLiveBytes = 0; ///< since forgetPeak()
        std::size_t mappedBytes = 0;   ///< live and kept
        std::uint64_t mappings = 0;    ///< blocks that were not found among the kept ones
    };
    Statistics statistics() const;
    /// Unmaps what is kept; the peak starts from what is live.
    void forgetPeak();

private:
    void releaseKept(std::size_t bytes);

    mutable std::mutex m_mutex;
    std::unordered_map<void*, std::size_t> m_live;
    std::multimap<std::size_t, void*> m_kept; ///< by size
    Statistics m_statistics;
};

/// Makes LibTorch take its tensors on the processor from the pool. Once, before the first tensor.
void useHostPool();

} // namespace longlora
