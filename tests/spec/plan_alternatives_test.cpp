// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"
#include "core/spec/plan/device_table.h"
#include "core/spec/plan/frontier.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/plan_alternatives.h"
#include "tests/spec/planned_models.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using test::gpuWith;
using test::llama2;
using test::llama2Large;
using test::runAt;

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

DeviceProfile cpuWith(double bytes)
{
    DeviceProfile device;
    device.name = "CPU, 2 threads";
    device.memoryBytes = bytes;
    return device;
}

RunConfig trainable(std::int64_t length)
{
    RunConfig config = runAt(length);
    config.model = "model";
    config.data.train = {"data"};
    return config;
}

/// Each one, planned anew, does what it says.
void expectTrue(const std::vector<PlanAlternative>& found, const ModelConfig& model,
                const RunConfig& config, const DeviceProfile& device)
{
    for (const PlanAlternative& one : found) {
        RunConfig changed = config;
        for (const std::string& setting : one.settings) {
            applySetting(changed, setting);
        }
        EXPECT_EQ(changed, one.config);
        const DeviceProfile on = one.device.empty() ? device : parseDevices(one.device).device;
        const MemoryPlan plan = planMemory(model, changed, on);
        EXPECT_EQ(verdictOf(plan.peakBytes, on.memoryBytes), PlanVerdict::Fits)
            << describeAlternative(one);
        EXPECT_EQ(plan.peakBytes, one.peakBytes);
        EXPECT_EQ(on.memoryBytes, one.memoryBytes);
        for (const ConfigIssue& issue : validate(changed, &model)) {
            EXPECT_NE(issue.severity, Severity::Error) << issue.field << issue.message;
        }
    }
}

TEST(NearestFits, AreThreeThatFitForRunsOfEveryKind)
{
    for (const double gib : {16.0, 20.0, 30.0, 34.0, 40.0}) {
        for (const std::int64_t length : {4096, 16384, 100000}) {
            for (const std::int64_t rows : {1, 4}) {
                for (const RecomputeLevel level : {RecomputeLevel::Auto, RecomputeLevel::None}) {
                    RunConfig config = trainable(length);
                    config.batch.microBatch = rows;
                    config.memory.recompute = level;
                    const DeviceProfile device = cpuWith(gib * kGiB);
                    if (planMemory(llama2(), config, device).fits) {
                        continue;
                    }
                    const auto found = nearestFits(llama2(), config, device);
                    std::string all;
                    for (const PlanAlternative& one : found) {
                        all += describeAlternative(one) + "; ";
                    }
                    EXPECT_EQ(found.size(), 3U)
                        << gib << " " << length << " " << rows << ": " << all;
                    expectTrue(found, llama2(), config, device);
                }
            }
        }
    }
}

TEST(NearestFits, WhatKeepsResultsComesFirst)
{
    RunConfig config = trainable(8192);
    config.batch.microBatch = 4;
    config.batch.accumulation = 2;
    config.memory.recompute = RecomputeLevel::None;
    RunConfig less = config;
    less.memory.recompute = RecomputeLevel::Mlp;
    const DeviceProfile device = cpuWith(planMemory(llama2(), less, cpuWith(0)).peakBytes / 0.89);
    const auto found = nearestFits(llama2(), config, device);
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].settings, std::vector<std::string>{"memory.recompute=mlp"});
    EXPECT_TRUE(found[1].settings[0].starts_with("batch.micro_batch="));
    EXPECT_EQ(found[1].config.batch.microBatch * found[1].config.batch.accumulation, 8);
    expectTrue(found, llama2(), config, device);
}

TEST(NearestFits, ShorterContextIsTheLargestThatFits)
{
    const RunConfig config = trainable(100000);
    const DeviceProfile device = cpuWith(64 * kGiB);
    ASSERT_FALSE(planMemory(llama2(), config, device).fits);
    const auto found = nearestFits(llama2(), config, device);
    ASSERT_FALSE(found.empty());
    const std::int64_t roomy =
        planMemory(llama2(), config, cpuWith(0.9 * 64 * kGiB)).largestContext;
    EXPECT_EQ(found[0].settings,
              std::vector<std::string>{"context.length=" + std::to_string(roomy)});
}

TEST(NearestFits, NoContextIsOfferedThatIsNone)
{
    const RunConfig config = trainable(100000);
    for (double gib = 14.0; gib < 40.0; gib += 2.0) {
        for (const PlanAlternative& one : nearestFits(llama2(), config, cpuWith(gib * kGiB))) {
            EXPECT_GE(one.config.context.length, 4096) << gib;
        }
    }
}

TEST(NearestFits, DevicesAreNamedWhereNoSettingHelps)
{
    const RunConfig config = trainable(8192);
    const DeviceProfile device = cpuWith(4 * kGiB);
    const auto found = nearestFits(llama2(), config, device);
    ASSERT_EQ(found.size(), 3U);
    EXPECT_FALSE(found[0].device.empty());
    EXPECT_LE(found[0].memoryBytes, found[1].memoryBytes);
    // The smallest run of 70B is larger than any one device.
    EXPECT_TRUE(nearestFits(llama2Large(), config, device).empty());
    const DeviceError refusal = planRefusal(MemoryPlan{}, device, {});
    EXPECT_NE(refusal.hint().find("smaller model"), std::string::npos);
}

TEST(PlanRefusal, SaysWhatIsNeededWhatIsThereAndWhatWouldFit)
{
    const RunConfig config = trainable(100000);
    const DeviceProfile device = cpuWith(64 * kGiB);
    const DeviceError refusal = planRefusal(planMemory(llama2(), config, device), device,
                                            nearestFits(llama2(), config, device));
    EXPECT_EQ(refusal.exitStatus(), ExitStatus::Device);
    const std::string said = refusal.describe();
    EXPECT_NE(said.find("CPU, 2 threads has 64 GiB"), std::string::npos) << said;
    EXPECT_NE(said.find("--set context.length="), std::string::npos) << said;
    EXPECT_NE(said.find("--set precision.compute=bf16"), std::string::npos) << said;
}

TEST(PlanRefusal, SaysWhereTheMachineHasNotTheMemoryForWhatIsOffloaded)
{
    RunConfig config = trainable(100000);
    config.precision.compute = ComputePrecision::Bf16;
    DeviceProfile device = gpuWith(40 * kGiB);
    config.memory.offload = OffloadMode::On;
    EXPECT_TRUE(planMemory(llama2(), config, device).fits) << "nothing is known of the machine";
    device.hostMemoryBytes = 16 * kGiB;
    const MemoryPlan plan = planMemory(llama2(), config, device);
    EXPECT_FALSE(plan.fits);
    EXPECT_LT(plan.largestContext, 100000);
    EXPECT_GT(plan.largestContext, 50000);
    const auto found = nearestFits(llama2(), config, device);
    const std::string said = planRefusal(plan, device, found).describe();
    EXPECT_NE(said.find("memory of the machine, which has 16 GiB free"), std::string::npos) << said;
    for (const PlanAlternative& one : found) {
        EXPECT_TRUE(!one.device.empty() || planMemory(llama2(), one.config, device).fits);
    }
    config.memory.offload = OffloadMode::Auto;
    const MemoryPlan automatic = planMemory(llama2(), config, device);
    EXPECT_EQ(automatic.hostBytes, 0.0) << "it would not help";
}

} // namespace
} // namespace longlora
