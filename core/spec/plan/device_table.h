// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/plan/device_profile.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace longlora {

/// A GPU that can be planned for without having it: the vendor's figures.
struct KnownDevice {
    std::string_view name;       ///< what people type: "A100-80"
    std::string_view product;    ///< "NVIDIA A100 80GB SXM"
    std::string_view driverName; ///< as NVIDIA's driver calls it: "NVIDIA A100-SXM4-80GB"
    std::int64_t multiprocessors;
    double memoryMib;            ///< in all, as nvidia-smi reports it
    double memoryBytesPerSecond; ///< of its own memory
    double bf16FlopsPerSecond;   ///< tensor cores, without sparsity, sums in fp32
    double fp32FlopsPerSecond;   ///< not on tensor cores
    double linkBytesPerSecond;   ///< to other devices, each way
    std::string_view source;     ///< of these figures
};

/// Of a peak speed, what a step is planned to sustain, and of a link likewise. HFU of long-context
/// training: 40 % means that something is wrong, 60 to 65 % is excellent.
inline constexpr double kAssumedSpeedShare = 0.5;
inline constexpr double kAssumedLinkShare = 0.5;
/// Of a GPU's memory, what the driver keeps.
inline constexpr double kDriverShare = 0.02;
/// CUDA, cuBLAS and cuDNN in the memory of a GPU, before a run.
inline constexpr double kCudaContextBytes = 1024.0 * 1024.0 * 1024.0;

std::span<const KnownDevice> knownDevices();

/// One of them as a plan needs it: what is assumed is taken off.
DeviceProfile profileOf(const KnownDevice& device);
/// Its profile but for memory: of one that is in this machine the driver knows that better.
DeviceProfile speedProfileOf(const KnownDevice& device);

struct PlannedDevices {
    DeviceProfile device;
    std::int64_t count = 1;
    bool countGiven = false;
};
/// "H200", "8xA100-80"; upper or lower case.
/// Throws: ConfigError for a device that is not known (names the nearest) or a count that is none.
PlannedDevices parseDevices(std::string_view text);

} // namespace longlora
