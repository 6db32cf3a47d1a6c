// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/memory_shortage.h"

#include "core/engine/tensor/host_pool.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#if defined(LONGLORA_WITH_CUDA)
#    include <c10/cuda/CUDACachingAllocator.h>
#endif

#include <malloc.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>

namespace longlora {

namespace {

/// What libraries below LibTorch say, which has no type of its own for it then.
constexpr std::array<std::string_view, 4> kShortageTexts{
    "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory",
    "can't allocate memory"};

/// LibTorch adds a paragraph of figures and advice: the first line, up to what is free.
std::string inBrief(std::string_view text)
{
    text = text.substr(0, text.find('\n'));
    constexpr std::string_view kLast = " is free.";
    const std::size_t last = text.find(kLast);
    return std::string(last == std::string_view::npos ? text : text.substr(0, last + kLast.size()));
}

} // namespace

std::optional<std::string> memoryShortage(const std::exception_ptr& failure)
{
    try {
        std::rethrow_exception(failure);
    } catch (const c10::OutOfMemoryError& error) {
        return inBrief(error.what_without_backtrace());
    } catch (const c10::Error& error) {
        const std::string_view text = error.what_without_backtrace();
        const bool saysSo = std::ranges::any_of(kShortageTexts, [&](std::string_view known) {
            return text.find(known) != std::string_view::npos;
        });
        return saysSo ? std::optional(inBrief(text)) : std::nullopt;
    } catch (const std::bad_alloc&) {
        return "the system gives this program no more memory";
    } catch (...) {
        return std::nullopt;
    }
}

void giveBackFreeMemory(const c10::Device& device)
{
    if (!device.is_cpu()) {
        c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
    }
#if defined(LONGLORA_WITH_CUDA)
    if (device.is_cuda()) {
        c10::cuda::CUDACachingAllocator::emptyCache();
    }
#endif
    HostPool::instance().forgetPeak();
    malloc_trim(0);
}

} // namespace longlora
