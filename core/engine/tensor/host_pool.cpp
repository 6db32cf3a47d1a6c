// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/host_pool.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

#include <sys/mman.h>

#include <algorithm>

namespace longlora {

namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

std::size_t roundUp(std::size_t bytes, std::size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/// Private zeroed memory that starts at a huge page. nullptr: none left.
void* mapBlock(std::size_t bytes)
{
    const std::size_t reserved = bytes + kHugePageBytes;
    void* const begin =
        ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (begin == MAP_FAILED) {
        return nullptr;
    }
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    const std::size_t before = roundUp(address, kHugePageBytes) - address;
    char* const block = static_cast<char*>(begin) + before;
    if (before > 0) {
        ::munmap(begin, before);
    }
    ::munmap(block + bytes, reserved - before - bytes);
    ::madvise(block, bytes, MADV_HUGEPAGE); // a wish: without it the pages are small
    return block;
}

/// Not more than an eighth larger than what is asked for.
bool suits(std::size_t block, std::size_t bytes)
{
    return block - bytes <= bytes / 8;
}

class PoolAllocator final : public c10::Allocator {
public:
    c10::DataPtr allocate(std::size_t bytes) override
    {
        void* const data = bytes < HostPool::kSmallestBlockBytes ? c10::alloc_cpu(bytes)
                                                                 : HostPool::instance().take(bytes);
        TORCH_CHECK_WITH(OutOfMemoryError, data != nullptr || bytes == 0,
                         "out of memory on the processor: ", bytes, " bytes");
        c10::profiledCPUMemoryReporter().New(data, bytes);
        return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
    }

    c10::DeleterFnPtr raw_deleter() const override { return &release; }

    void copy_data(void* destination, const void* source, std::size_t bytes) const override
    {
        default_copy_data(destination, source, bytes);
    }

private:
    static void release(void* data)
    {
        if (data != nullptr) {
            c10::profiledCPUMemoryReporter().Delete(data);
            if (!HostPool::instance().giveBack(data)) {
                c10::free_cpu(data);
            }
        }
    }
};

} // namespace

HostPool& HostPool::instance()
{
    static HostPool* const pool = new HostPool;
    return *pool;
}

void* HostPool::take(std::size_t bytes)
{
    const std::lock_guard lock(m_mutex);
    std::size_t size = roundUp(bytes, kPageBytes);
    void* block = nullptr;
    const auto found = m_kept.lower_bound(size);
    if (found != m_kept.end() && suits(found->first, size)) {
        size = found->first;
        block = found->second;
        m_kept.erase(found);
    } else {
        releaseKept(size);
        block = mapBlock(size);
        if (block == nullptr) {
            return nullptr;
        }
        m_statistics.mappedBytes += size;
        ++m_statistics.mappings;
    }
    m_live.emplace(block, size);
    m_statistics.liveBytes += size;
    m_statistics.peakLiveBytes = std::max(m_statistics.peakLiveBytes, m_statistics.liveBytes);
    return block;
}

bool HostPool::giveBack(void* block)
{
    const std::lock_guard lock(m_mutex);
    const auto found = m_live.find(block);
    if (found == m_live.end()) {
        return false;
    }
    m_statistics.liveBytes -= found->second;
    m_kept.emplace(found->second, block);
    m_live.erase(found);
    return true;
}

/// Unmaps kept blocks, largest first, until `bytes` more would not lift what is mapped above the
/// peak.
void HostPool::releaseKept(std::size_t bytes)
{
    const std::size_t limit = std::max(m_statistics.peakLiveBytes, m_statistics.liveBytes + bytes);
    while (!m_kept.empty() && m_statistics.mappedBytes + bytes > limit) {
        const auto largest = std::prev(m_kept.end());
        ::munmap(largest->second, largest->first);
        m_statistics.mappedBytes -= largest->first;
        m_kept.erase(largest);
    }
}

HostPool::Statistics HostPool::statistics() const
{
    const std::lock_guard lock(m_mutex);
    return m_statistics;
}

void HostPool::forgetPeak()
{
    const std::lock_guard lock(m_mutex);
    m_statistics.peakLiveBytes = m_statistics.liveBytes;
    for (const auto& [size, block] : m_kept) {
        ::munmap(block, size);
        m_statistics.mappedBytes -= size;
    }
    m_kept.clear();
}

void useHostPool()
{
#if !defined(__SANITIZE_ADDRESS__) // whose own heap finds what goes wrong
    static PoolAllocator allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/1);
#endif
}

} // namespace longlora
