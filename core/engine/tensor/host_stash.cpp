// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/host_stash.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <deque>
#include <optional>
#include <vector>

namespace longlora {

namespace {

/// Tensors on their way out that stay on the device.
constexpr std::size_t kLeavingAtOnce = 2;

std::vector<at::Tensor> hostTensors(const at::Tensor& example, std::size_t count)
{
    const bool isPinned = !example.is_cpu();
    const auto options = example.options().device(at::kCPU).pinned_memory(isPinned);
    const std::size_t perBlock = isPinned ? tensorsPerBlock(example.nbytes(), count) : 1;
    std::vector<at::Tensor> tensors;
    while (tensors.size() < count) {
        const std::size_t here = std::min(perBlock, count - tensors.size());
        const at::Tensor block =
            at::empty({static_cast<std::int64_t>(here), example.numel()}, options);
        for (std::int64_t i = 0; i < block.size(0); ++i) {
            tensors.push_back(block[i].view(example.sizes()));
        }
    }
    return tensors;
}

} // namespace

std::size_t tensorsPerBlock(std::size_t bytes, std::size_t count)
{
    std::size_t best = 1;
    double bestShare = 0.0; // of the block that is used
    for (std::size_t tensors = 1; tensors <= count; ++tensors) {
        const auto used = static_cast<double>(tensors * bytes);
        const double share = used / static_cast<double>(std::bit_ceil(tensors * bytes));
        if (share > bestShare) {
            best = tensors;
            bestShare = share;
        }
    }
    return best;
}

class HostStash::Copies {
public:
    Copies(const at::Tensor& example, std::size_t count)
        : m_device(example.device())
        , m_slots(hostTensors(example, count))
    {
        if (!m_device.is_cpu()) {
            m_stream = guard().getStreamFromGlobalPool(m_device);
        }
    }

    bool suits(const at::Tensor& example, std::size_t count) const
    {
        return m_slots.size() == count && example.device() == m_device &&
               (count == 0 || (m_slots.front().sizes() == example.sizes() &&
                               m_slots.front().scalar_type() == example.scalar_type()));
    }

    void put(std::size_t slot, const at::Tensor& x)
    {
        assert(slot < m_slots.size() && m_slots[slot].sizes() == x.sizes());
        m_leaving.push_back(copy(slot, m_slots[slot], x, x));
        if (m_leaving.size() > kLeavingAtOnce) {
            letGo();
        }
    }

    void prefetch(std::size_t slot)
    {
        while (!m_leaving.empty()) {
            letGo();
        }
        const at::Tensor& from = m_slots[slot];
        const at::Tensor place =
            at::empty(from.sizes(), from.options().device(m_device).pinned_memory(false));
        m_coming = copy(slot, place, from, place);
    }

    at::Tensor take(std::size_t slot)
    {
        if (!m_coming || m_coming->slot != slot) {
            prefetch(slot);
        }
        waitFor(*m_coming);
        const at::Tensor back = m_coming->onDevice;
        m_coming.reset();
        return back;
    }

private:
    struct Moving {
        std::size_t slot;
        at::Tensor onDevice;
        std::optional<c10::Event> done; ///< none on a processor
    };

    c10::impl::VirtualGuardImpl guard() const
    {
        return c10::impl::VirtualGuardImpl(m_device.type());
    }

    /// Copies on the stash's stream, after what the current stream has been asked so far.
    Moving copy(std::size_t slot, const at::Tensor& to, const at::Tensor& from,
                const at::Tensor& onDevice) const
    {
        Moving moving{slot, onDevice, std::nullopt};
        if (!m_stream) {
            to.copy_(from);
            return moving;
        }
        c10::Event asked(m_device.type());
        asked.record(guard().getStream(m_device));
        asked.block(*m_stream);
        const c10::StreamGuard onStashsStream(*m_stream);
        to.copy_(from, /*non_blocking=*/true);
        moving.done.emplace(m_device.type());
        moving.done->record(*m_stream);
        return moving;
    }

    void waitFor(const Moving& moving) const
    {
        if (moving.done) {
            moving.done->block(guard().getStream(m_device));
        }
    }

    /// The oldest of those that leave. Its memory may serve the current stream again after the
    /// copy, and that stream alone.
    void letGo()
    {
        waitFor(m_leaving.front());
        m_leaving.pop_front();
    }

    c10::Device m_device;
    std::vector<at::Tensor> m_slots; ///< on the host
    std::deque<Moving> m_leaving;
    std::optional<Moving> m_coming;
    std::optional<c10::Stream> m_stream; ///< of the copies; none on a processor
};

HostStash::HostStash(const at::Tensor& example, std::size_t count)
    : m_copies(std::make_unique<Copies>(example, count))
{}

HostStash::~HostStash() = default;

bool HostStash::suits(const at::Tensor& example, std::size_t count) const
{
    return m_copies->suits(example, count);
}

void HostStash::put(std::size_t slot, const at::Tensor& x)
{
    m_copies->put(slot, x);
}

void HostStash::prefetch(std::size_t slot)
{
    m_copies->prefetch(slot);
}

at::Tensor HostStash::take(std::size_t slot)
{
    return m_copies->take(slot);
}

} // namespace longlora
