// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/presets.h"
#include "core/spec/plan/device_table.h"
#include "core/spec/plan/frontier.h"
#include "core/spec/plan/memory_planner.h"
#include "tests/spec/planned_models.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

const std::filesystem::path kFolder = LONGLORA_GOLDEN_DIR "/../../resources/presets";

/// What a preset comes to on one kind of device.
struct Planned {
    Planned(const std::string& name, const std::string& devices)
        : device(parseDevices(devices).device)
        , config(readPreset(kFolder, name).config)
        , plan(planMemory(readModelConfig(config.model), config, device))
    {}
    PlanVerdict verdict() const { return verdictOf(plan.peakBytes, device.memoryBytes); }

    DeviceProfile device;
    RunConfig config;
    MemoryPlan plan;
};

TEST(Presets, AreAllSoundButForTheirDevicesAndData)
{
    const std::vector<Preset> presets = readPresets(kFolder);
    EXPECT_EQ(presets.size(), 10U);
    for (const Preset& preset : presets) {
        EXPECT_EQ(preset.config.runName, preset.name);
        const ModelConfig model = readModelConfig(preset.config.model);
        for (const ConfigIssue& issue : validate(preset.config, &model)) {
            EXPECT_TRUE(issue.severity != Severity::Error || issue.field == "data.train" ||
                        issue.isUnavailable)
                << preset.name << ": " << issue.field << " " << issue.message;
        }
    }
}

TEST(Presets, ShapesAreTheModels)
{
    const auto model = [](const char* name) {
        return readModelConfig(kFolder.parent_path() / "shapes" / name);
    };
    EXPECT_EQ(model("llama2-7b").parameterCount(), 6738415616);
    EXPECT_EQ(model("llama2-13b").parameterCount(), 13015864320);
    EXPECT_EQ(model("llama2-70b").parameterCount(), 68976648192);
    EXPECT_EQ(model("llama3-8b").parameterCount(), 8030261248);
}

/// Chen et al. 2024, table 4: the longest contexts of one machine with eight A100-80.
TEST(Presets, ThePapersRunsFitThePapersMachine)
{
    for (const char* name : {"paper-7b-8k", "paper-7b-16k", "paper-7b-32k", "paper-7b-100k",
                             "paper-13b-64k", "paper-70b-32k", "paper-7b-sft-16k"}) {
        const Planned planned(name, "8xA100-80");
        EXPECT_EQ(planned.verdict(), PlanVerdict::Fits) << name << " " << planned.plan.peakBytes;
        EXPECT_EQ(planned.config.devices.ranks, 8);
        EXPECT_EQ(planned.plan.time.tokens,
                  64.0 * static_cast<double>(
                             rowLength(readModelConfig(planned.config.model), planned.config)));
    }
}

TEST(Presets, SingleCardsFitTheirRuns)
{
    for (const char* device : {"A100-80", "H100-80"}) {
        EXPECT_EQ(Planned("single-80gb-7b-100k", device).verdict(), PlanVerdict::Fits);
    }
    for (const char* device : {"L40S", "A6000"}) {
        EXPECT_EQ(Planned("single-48gb-7b-64k", device).verdict(), PlanVerdict::Fits);
    }
    EXPECT_EQ(Planned("single-24gb-7b-16k", "RTX4090").verdict(), PlanVerdict::Fits);
    EXPECT_EQ(Planned("single-80gb-7b-100k", "RTX4090").verdict(), PlanVerdict::No);
}

TEST(Presets, UnknownOneNamesTheNearest)
{
    try {
        readPreset(kFolder, "paper-7b-10k");
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_NE(error.hint().find("Did you mean paper-7b-1"), std::string::npos) << error.hint();
    }
    EXPECT_TRUE(readPresets(kFolder / "absent").empty());
}

} // namespace
} // namespace longlora
