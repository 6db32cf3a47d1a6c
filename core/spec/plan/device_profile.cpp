// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/device_profile.h"

#include "core/spec/plan/system_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace longlora {

namespace {

double speedIn(ComputePrecision precision, double fp32, double bf16)
{
    switch (precision) {
    case ComputePrecision::Bf16:
        return bf16;
    case ComputePrecision::Fp64:
        return fp32 / 2.0;
    default:
        return fp32;
    }
}

} // namespace

double DeviceProfile::flopsPerSecond(ComputePrecision precision) const
{
    return speedIn(resolved(precision), fp32FlopsPerSecond, bf16FlopsPerSecond);
}

double DeviceProfile::peakFlopsPerSecond(ComputePrecision precision) const
{
    return speedIn(resolved(precision), fp32PeakFlopsPerSecond, bf16PeakFlopsPerSecond);
}

DeviceProfile localCpuProfile()
{
    DeviceProfile profile;
    const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
    profile.name = fmt::format("CPU, {} {}", threads, threads == 1 ? "thread" : "threads");
    profile.threads = threads;
    profile.memoryBytes = availableMemoryBytes();
    profile.programBytes = residentMemoryBytes();
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bf16")) {
        profile.autoPrecision = ComputePrecision::Bf16;
    }
#endif
    return profile;
}

} // namespace longlora
