// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>

namespace longlora::test {

/// While it lives, tensors on the processor are refused as told, with the error that LibTorch's own
/// allocators throw. Everything else is the real allocator's work.
class ScarceMemory final : public c10::Allocator {
public:
    ScarceMemory()
        : m_real(c10::GetCPUAllocator())
    {
        c10::SetCPUAllocator(this, kPriority);
    }
    ~ScarceMemory() override { c10::SetCPUAllocator(m_real, kPriority); }
    ScarceMemory(const ScarceMemory&) = delete;
    ScarceMemory& operator=(const ScarceMemory&) = delete;

    /// Refuses the tensor that comes after `count` more, once.
    void refuseAfter(std::int64_t count)
    {
        const std::lock_guard lock(m_state->mutex);
        m_state->untilRefusal = count;
    }
    /// Refuses what would lift the bytes of its tensors above it.
    void setLimit(std::size_t bytes)
    {
        const std::lock_guard lock(m_state->mutex);
        m_state->limit = bytes;
    }
    std::int64_t allocations() const { return m_state->allocations; }
    std::size_t liveBytes() const { return m_state->live; }

    c10::DataPtr allocate(std::size_t bytes) override
    {
        const std::lock_guard lock(m_state->mutex);
        const bool isRefused =
            m_state->untilRefusal-- == 0 || m_state->live + bytes > m_state->limit;
        TORCH_CHECK_WITH(OutOfMemoryError, !isRefused, "out of memory in a test: ", bytes,
                         " bytes");
        ++m_state->allocations;
        m_state->live += bytes;
        auto* const block = new Block{m_state, bytes, m_real->allocate(bytes)};
        return {block->memory.get(), block, &release, c10::Device(c10::DeviceType::CPU)};
    }
    void copy_data(void* destination, const void* source, std::size_t bytes) const override
    {
        default_copy_data(destination, source, bytes);
    }

private:
    static constexpr std::uint8_t kPriority = 200;

    struct State {
        std::mutex mutex;
        std::int64_t untilRefusal = -1;
        std::int64_t allocations = 0;
        std::size_t limit = std::numeric_limits<std::size_t>::max();
        std::size_t live = 0;
    };
    struct Block {
        std::shared_ptr<State> state; // LibTorch keeps some tensors for good
        std::size_t bytes;
        c10::DataPtr memory;
    };
    static void release(void* context)
    {
        auto* const block = static_cast<Block*>(context);
        {
            const std::lock_guard lock(block->state->mutex);
            block->state->live -= block->bytes;
        }
        delete block;
    }

    c10::Allocator* m_real;
    std::shared_ptr<State> m_state = std::make_shared<State>();
};

} // namespace longlora::test
