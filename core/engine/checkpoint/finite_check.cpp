// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/finite_check.h"

#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <tuple>

namespace longlora {

namespace {

/// NaN and infinity are the numbers whose exponent bits are all set. At the speed of memory.
template <typename Word>
bool allFinite(const at::Tensor& contiguous, Word exponent)
{
    constexpr std::int64_t kGrain = 1 << 18; // elements
    const auto* const words = static_cast<const Word*>(contiguous.const_data_ptr());
    std::atomic<bool> finite{true};
    at::parallel_for(0, contiguous.numel(), kGrain,
                     [&](std::int64_t begin, const std::int64_t end) {
                         while (begin < end && finite.load(std::memory_order_relaxed)) {
                             const std::int64_t stop = std::min(end, begin + kGrain);
                             Word wrong = 0;
                             for (; begin < stop; ++begin) {
                                 wrong |= static_cast<Word>((words[begin] & exponent) == exponent);
                             }
                             if (wrong != 0) {
                                 finite.store(false, std::memory_order_relaxed);
                             }
                         }
                     });
    return finite;
}

} // namespace

bool isFinite(const at::Tensor& tensor)
{
    if (tensor.numel() == 0) {
        return true;
    }
    if (tensor.is_cpu() && tensor.is_contiguous()) {
        switch (tensor.scalar_type()) {
        case at::kBFloat16:
            return allFinite<std::uint16_t>(tensor, 0x7F80);
        case at::kHalf:
            return allFinite<std::uint16_t>(tensor, 0x7C00);
        case at::kFloat:
            return allFinite<std::uint32_t>(tensor, 0x7F800000);
        case at::kDouble:
            return allFinite<std::uint64_t>(tensor, 0x7FF0000000000000);
        default:
            break;
        }
    }
    // Minimum and maximum hand NaN on.
    const auto [least, greatest] = at::aminmax(tensor);
    return std::isfinite(least.item<double>()) && std::isfinite(greatest.item<double>());
}

void requireFinite(const at::Tensor& tensor, const std::string& name, const std::string& source)
{
    if (isFinite(tensor)) {
        return;
    }
    const at::Tensor wrong = at::logical_not(at::isfinite(tensor.reshape({-1})));
    const auto first = at::argmax(wrong.to(at::kByte)).item<std::int64_t>();
    const auto count = wrong.sum().item<std::int64_t>();
    const auto value = tensor.reshape({-1}).select(0, first).item<double>();
    throw DataError(fmt::format("{}: {} holds {} at element {} ({} of {} elements are not finite)",
                                source, name, std::isnan(value) ? "NaN" : "infinity", first, count,
                                tensor.numel()),
                    "The file is damaged or its training diverged: use another copy.");
}

} // namespace longlora
