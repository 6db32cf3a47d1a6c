// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/version.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/nvidia_driver.h"
#include "core/spec/run/run_list.h"

#include <torch/headeronly/version.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

struct Diagnosis {
    nlohmann::ordered_json facts;
    std::vector<std::string> problems;
};

/// The nearest folder above `path` that exists.
fs::path existingPart(fs::path path)
{
    std::error_code ignored;
    while (!fs::exists(path, ignored) && path.has_parent_path() && path != path.parent_path()) {
        path = path.parent_path();
    }
    return path;
}

std::string describe(const GpuState& gpu)
{
    std::string text = fmt::format("{}, {}, {} free", gpu.name, formatBytes(gpu.memoryBytes),
                                   formatBytes(gpu.freeBytes));
    if (gpu.othersBytes() > 0.0) {
        text += fmt::format(", {} taken by other programs", formatBytes(gpu.othersBytes()));
    }
    if (gpu.busy) {
        text += fmt::format(", {:.0f} % busy", *gpu.busy * 100.0);
    }
    if (gpu.celsius) {
        text += fmt::format(", {:.0f} C", *gpu.celsius);
    }
    if (gpu.watts) {
        text += gpu.wattLimit ? fmt::format(", {:.0f} of {:.0f} W", *gpu.watts, *gpu.wattLimit)
                              : fmt::format(", {:.0f} W", *gpu.watts);
    }
    return text;
}

void examineGpus(Diagnosis& diagnosis)
{
    diagnosis.facts["gpus"] = nlohmann::ordered_json::array();
    for (const GpuState& gpu : NvidiaDriver().gpus()) {
        diagnosis.facts["gpus"].push_back(describe(gpu));
    }
}

void examineDevice(Diagnosis& diagnosis)
{
    const DeviceProfile cpu = localCpuProfile();
    diagnosis.facts["processor"] = cpu.name;
    diagnosis.facts["memory_available_bytes"] = cpu.memoryBytes;
    const ComputePlace place = computePlace(DeviceKind::Auto, ComputePrecision::Auto);
    diagnosis.facts["device"] = describeDevice(place.device);
    diagnosis.facts["precision"] = dtypeName(place.dtype);
    constexpr double kTwoGiB = 2.0 * 1024.0 * 1024.0 * 1024.0;
    if (cpu.memoryBytes > 0.0 && cpu.memoryBytes < kTwoGiB) {
        diagnosis.problems.push_back("only " + formatBytes(cpu.memoryBytes) +
                                     " of memory are free: close what else uses it");
    }
    const bool hasDriver = fs::exists("/proc/driver/nvidia/version") || fs::exists("/dev/nvidia0");
    if (hasDriver && !place.device.is_cuda()) {
        diagnosis.problems.push_back("there is an NVIDIA driver, but this build or this LibTorch "
                                     "cannot use it: build again with ./workbench --cuda build");
    }
}

void examineDisk(Diagnosis& diagnosis)
{
    const fs::path runs = defaultRunsFolder();
    std::error_code error;
    const fs::space_info space = fs::space(existingPart(runs), error);
    diagnosis.facts["runs_folder"] = runs.string();
    diagnosis.facts["runs_disk_free_bytes"] = error ? 0.0 : static_cast<double>(space.available);
    constexpr double kOneGiB = 1024.0 * 1024.0 * 1024.0;
    if (!error && static_cast<double>(space.available) < kOneGiB) {
        diagnosis.problems.push_back("less than 1 GiB is free where runs go (" + runs.string() +
                                     ")");
    }
    const fs::path cache = huggingFaceCacheFolder();
    diagnosis.facts["model_cache"] = cache.string();
    const std::vector<CachedModel> models = cachedModels(cache);
    diagnosis.facts["cached_models"] =
        std::count_if(models.begin(), models.end(),
                      [](const CachedModel& model) { return model.problem.empty(); });
}

void examineDisplay(Diagnosis& diagnosis)
{
    const bool hasDisplay =
        std::getenv("DISPLAY") != nullptr || std::getenv("WAYLAND_DISPLAY") != nullptr;
    diagnosis.facts["display"] = hasDisplay;
}

std::string forPeople(const std::string& key, const nlohmann::ordered_json& value)
{
    if (key.ends_with("_bytes")) {
        return formatBytes(value.get<double>());
    }
    if (value.is_array()) {
        return value.empty()
                   ? std::string("none")
                   : fmt::format("{}", fmt::join(value.get<std::vector<std::string>>(), "; "));
    }
    return value.is_string() ? value.get<std::string>() : value.dump();
}

ExitStatus doctor(Console& console)
{
    Diagnosis diagnosis;
    diagnosis.facts["version"] = kVersion;
    diagnosis.facts["libtorch"] = TORCH_VERSION;
#if defined(LONGLORA_WITH_CUDA)
    diagnosis.facts["cuda_kernels"] = true;
#else
    diagnosis.facts["cuda_kernels"] = false;
#endif
    examineGpus(diagnosis);
    examineDevice(diagnosis);
    examineDisk(diagnosis);
    examineDisplay(diagnosis);
    for (const auto& item : diagnosis.facts.items()) {
        console.print(fmt::format("{:<24} {}", item.key(), forPeople(item.key(), item.value())));
    }
    for (const std::string& problem : diagnosis.problems) {
        console.print("problem: " + problem);
    }
    if (diagnosis.problems.empty()) {
        console.print("no problem was found; longlora self-check tests the arithmetic");
    }
    diagnosis.facts["problems"] = diagnosis.problems;
    console.finish(diagnosis.facts.dump());
    return ExitStatus::Done;
}

} // namespace

void addDoctorCommand(CLI::App& parent, Action& chosen)
{
    addCommand(parent, chosen, "doctor",
               "what this machine has, what is missing, what will not work and why", doctor);
}

} // namespace longlora::app
