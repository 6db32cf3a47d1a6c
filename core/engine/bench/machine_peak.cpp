// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/bench/machine_peak.h"

#include "core/engine/tensor/matrix_product.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace longlora {

namespace {

constexpr std::int64_t kTries = 7;

/// Waits until what was asked of the device is done.
void synchronize(const at::Device& device)
{
    if (!device.is_cpu()) {
        const c10::impl::VirtualGuardImpl guard(device.type());
        guard.synchronizeDevice(device.has_index() ? device.index() : 0);
    }
}

/// Ascending, without the first call.
std::vector<double> secondsOf(const at::Device& device, std::int64_t rounds,
                              const std::function<void()>& call)
{
    using Clock = std::chrono::steady_clock;
    std::vector<double> seconds;
    for (std::int64_t i = 0; i <= rounds; ++i) {
        const auto begin = Clock::now();
        call();
        synchronize(device);
        if (i > 0) {
            seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
        }
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds;
}

} // namespace

double medianSeconds(const at::Device& device, std::int64_t rounds,
                     const std::function<void()>& call)
{
    const std::vector<double> seconds = secondsOf(device, rounds, call);
    return seconds[seconds.size() / 2];
}

std::vector<double> productSpeeds(const ComputePlace& place, std::int64_t tries, ProductMaker maker)
{
    const std::int64_t size = place.device.is_cpu() ? 2048 : 8192;
    const auto options = at::TensorOptions(place.device).dtype(place.dtype);
    const at::Tensor left = at::randn({size, size}, options);
    const at::Tensor right = at::randn({size, size}, options);
    at::Tensor product = at::empty({size, size}, options);
    std::vector<double> speeds = secondsOf(place.device, tries, [&] {
        if (maker == ProductMaker::Ours) {
            multiplyInto(product, {left, right.t()});
        } else {
            at::mm_out(product, left, right.t());
        }
    });
    const auto edge = static_cast<double>(size);
    for (double& speed : speeds) {
        speed = 2.0 * edge * edge * edge / speed;
    }
    return speeds;
}

MachinePeak measureMachinePeak(const ComputePlace& place)
{
    const std::vector<double> speeds = productSpeeds(place, kTries);
    MachinePeak peak;
    peak.flopsPerSecond = *std::max_element(speeds.begin(), speeds.end());
    const std::int64_t bytes = std::int64_t{1} << 28; // larger than caches
    const at::Tensor from = at::ones({bytes}, at::TensorOptions(place.device).dtype(at::kByte));
    at::Tensor to = at::empty_like(from);
    peak.bytesPerSecond = 2.0 * static_cast<double>(bytes) /
                          secondsOf(place.device, kTries, [&] { to.copy_(from); }).front();
    return peak;
}

} // namespace longlora
