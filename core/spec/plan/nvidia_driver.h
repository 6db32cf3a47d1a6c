// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// One GPU as NVIDIA's driver describes it now. What the driver does not tell is 0 or not there.
struct GpuState {
    std::string name;           ///< "NVIDIA H200"
    std::string uuid;           ///< "GPU-5f9b...", of a part of a GPU "MIG-..."
    double memoryBytes = 0.0;   ///< in all
    double reservedBytes = 0.0; ///< of it, the driver's own
    double freeBytes = 0.0;     ///< of it, taken by nobody
    double ownBytes = 0.0;      ///< of it, taken by this process
    std::optional<double> busy; ///< share of the last moments in which it computed, [0, 1]
    std::optional<double> celsius;
    std::optional<double> watts;
    std::optional<double> wattLimit;

    /// Taken by other programs.
    double othersBytes() const;
};

/// NVIDIA's management library (NVML), loaded while the program runs: there need be none, and each
/// of its answers may be missing. Threading: any.
class NvidiaDriver {
public:
    /// `library` stands in for NVIDIA's in tests.
    explicit NvidiaDriver(const std::string& library = "libnvidia-ml.so.1");
    ~NvidiaDriver();

    /// In the driver's order, which is that of the PCI bus. None without a library or a driver; one
    /// that is lost is left out.
    std::vector<GpuState> gpus() const;
    /// The GPU, or the part of one, of that uuid, given with or without "GPU-" or "MIG-"; none if
    /// the driver does not know it.
    std::optional<GpuState> gpu(const std::string& uuid) const;

private:
    class Library;
    std::unique_ptr<Library> m_library;
};

} // namespace longlora
