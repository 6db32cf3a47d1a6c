// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <cstdint>
#include <string>

namespace longlora {

/// The device a plan is made for: one of them, where a run takes several.
struct DeviceProfile {
    std::string name; ///< "CPU, 2 threads"
    DeviceKind kind = DeviceKind::Cpu;
    std::int64_t threads = 1; ///< of a processor
    /// Of a GPU; an H100's where that is not known.
    std::int64_t multiprocessors = 132;
    double memoryBytes = 0.0; ///< usable by this process
    /// Of a GPU's machine, for what memory.offload keeps there; 0: unknown.
    double hostMemoryBytes = 0.0;
    double takenBytes = 0.0; ///< beside that, taken by other programs; 0: none, or unknown
    /// Resident without a run: program, libraries, and whatever else it holds.
    double programBytes = 114.0 * 1024.0 * 1024.0;
    /// Sustained while training, as stepFlops() counts; 0: unknown.
    double fp32FlopsPerSecond = 0.0;
    double bf16FlopsPerSecond = 0.0;
    /// What precision.compute auto means there; never Auto.
    ComputePrecision autoPrecision = ComputePrecision::Fp32;
    /// Of the data sheet, without sparsity; 0: unknown.
    double fp32PeakFlopsPerSecond = 0.0;
    double bf16PeakFlopsPerSecond = 0.0;
    double memoryBytesPerSecond = 0.0; ///< of its own memory; 0: unknown
    double linkBytesPerSecond = 0.0;   ///< sustained to other devices, each way; 0: unknown
    std::string source; ///< of the figures, and what is assumed; empty: measured here

    /// The speed in that precision; fp64 counts as half of fp32. 0: unknown.
    double flopsPerSecond(ComputePrecision precision) const;
    double peakFlopsPerSecond(ComputePrecision precision) const;
    /// `precision`, or what auto means here.
    ComputePrecision resolved(ComputePrecision precision) const
    {
        return precision == ComputePrecision::Auto ? autoPrecision : precision;
    }
};

/// This machine's processor and memory. Reads /proc and the number of cores; makes no benchmark.
/// What the program itself takes is what is resident at the call: make it before a model is loaded.
DeviceProfile localCpuProfile();

} // namespace longlora
