// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/device_table.h"

#include "core/spec/base/error.h"
#include "core/spec/base/nearest_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace longlora {

namespace {

constexpr std::int64_t kMostDevices = 4096;
constexpr double kGB = 1e9;
constexpr double kTera = 1e12;

// NVLink and PCIe figures of data sheets count both ways; here one.
constexpr std::array kDevices{
    KnownDevice{"A100-40", "NVIDIA A100 40GB SXM", "NVIDIA A100-SXM4-40GB", 108, 40960, 1555 * kGB,
                312 * kTera, 19.5 * kTera, 300 * kGB,
                "NVIDIA A100 Tensor Core GPU data sheet; NVLink 3"},
    KnownDevice{"A100-80", "NVIDIA A100 80GB SXM", "NVIDIA A100-SXM4-80GB", 108, 81920, 2039 * kGB,
                312 * kTera, 19.5 * kTera, 300 * kGB,
                "NVIDIA A100 Tensor Core GPU data sheet; NVLink 3"},
    KnownDevice{"H100-80", "NVIDIA H100 80GB SXM", "NVIDIA H100 80GB HBM3", 132, 81559, 3350 * kGB,
                989 * kTera, 67 * kTera, 450 * kGB,
                "NVIDIA H100 Tensor Core GPU data sheet; NVLink 4"},
    KnownDevice{"H200", "NVIDIA H200 141GB SXM", "NVIDIA H200", 132, 143771, 4800 * kGB,
                989 * kTera, 67 * kTera, 450 * kGB,
                "NVIDIA H200 Tensor Core GPU data sheet; NVLink 4"},
    KnownDevice{"RTX4090", "NVIDIA GeForce RTX 4090 24GB", "NVIDIA GeForce RTX 4090", 128, 24564,
                1008 * kGB, 165.2 * kTera, 82.6 * kTera, 32 * kGB,
                "NVIDIA Ada GPU architecture white paper; PCIe 4.0 x16"},
    KnownDevice{"L40S", "NVIDIA L40S 48GB", "NVIDIA L40S", 142, 46068, 864 * kGB, 362 * kTera,
                91.6 * kTera, 32 * kGB, "NVIDIA L40S data sheet; PCIe 4.0 x16"},
    KnownDevice{"A6000", "NVIDIA RTX A6000 48GB", "NVIDIA RTX A6000", 84, 49140, 768 * kGB,
                154.8 * kTera, 38.7 * kTera, 32 * kGB, "NVIDIA RTX A6000 data sheet; PCIe 4.0 x16"},
};

/// "RTX 4090", "rtx-4090" and "4090" are "RTX4090"; "H100" is "H100-80".
std::string plainName(std::string_view text)
{
    std::string plain;
    for (const char c : text) {
        if (c != ' ' && c != '-' && c != '_') {
            plain += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        }
    }
    const std::string_view maker = "NVIDIA";
    return plain.starts_with(maker) ? plain.substr(maker.size()) : plain;
}

const KnownDevice* find(std::string_view name)
{
    const std::string asked = plainName(name);
    for (const KnownDevice& device : kDevices) {
        const std::string known = plainName(device.name);
        if (asked == known || (device.name == "RTX4090" && asked == "4090") ||
            (device.name == "H100-80" && asked == "H100")) {
            return &device;
        }
    }
    return nullptr;
}

[[noreturn]] void refuse(std::string_view name)
{
    std::vector<std::string_view> names;
    for (const KnownDevice& device : kDevices) {
        names.push_back(device.name);
    }
    const std::string meant = nearestName(std::string(name), names);
    throw ConfigError(
        fmt::format("device \"{}\" is not known", name),
        fmt::format("{}Known: {}; eight of them: 8x{}. --device-memory plans for any other size.",
                    meant.empty() ? "" : "Did you mean " + meant + "? ", fmt::join(names, ", "),
                    names.front()));
}

} // namespace

std::span<const KnownDevice> knownDevices()
{
    return kDevices;
}

DeviceProfile speedProfileOf(const KnownDevice& device)
{
    DeviceProfile profile;
    profile.name = device.product;
    profile.kind = DeviceKind::Cuda;
    profile.multiprocessors = device.multiprocessors;
    profile.programBytes = kCudaContextBytes;
    profile.autoPrecision = ComputePrecision::Bf16;
    profile.bf16PeakFlopsPerSecond = device.bf16FlopsPerSecond;
    profile.fp32PeakFlopsPerSecond = device.fp32FlopsPerSecond;
    profile.bf16FlopsPerSecond = device.bf16FlopsPerSecond * kAssumedSpeedShare;
    profile.fp32FlopsPerSecond = device.fp32FlopsPerSecond * kAssumedSpeedShare;
    profile.memoryBytesPerSecond = device.memoryBytesPerSecond;
    profile.linkBytesPerSecond = device.linkBytesPerSecond * kAssumedLinkShare;
    profile.source = fmt::format(
        "{}. Assumed, not measured here: {:.0f} % of the {:.0f} TFLOP/s in bf16 and {:.0f} % of "
        "the link's {:.0f} GB/s are sustained",
        device.source, kAssumedSpeedShare * 100.0, device.bf16FlopsPerSecond / kTera,
        kAssumedLinkShare * 100.0, device.linkBytesPerSecond / kGB);
    return profile;
}

DeviceProfile profileOf(const KnownDevice& device)
{
    DeviceProfile profile = speedProfileOf(device);
    profile.memoryBytes = device.memoryMib * 1024.0 * 1024.0 * (1.0 - kDriverShare);
    profile.source += fmt::format(", {:.0f} % of the memory is the driver's", kDriverShare * 100.0);
    return profile;
}

PlannedDevices parseDevices(std::string_view text)
{
    PlannedDevices planned;
    std::string_view name = text;
    const std::size_t times = text.find_first_not_of("0123456789");
    if (times != 0 && times != std::string_view::npos &&
        (text[times] == 'x' || text[times] == 'X')) {
        const auto [end, problem] =
            std::from_chars(text.data(), text.data() + times, planned.count);
        if (problem != std::errc() || planned.count < 1 || planned.count > kMostDevices) {
            throw ConfigError(fmt::format("\"{}\": {} is no number of devices from 1 to {}", text,
                                          text.substr(0, times), kMostDevices));
        }
        planned.countGiven = true;
        name = text.substr(times + 1);
    }
    const KnownDevice* device = find(name);
    if (device == nullptr) {
        refuse(name);
    }
    planned.device = profileOf(*device);
    return planned;
}

} // namespace longlora
