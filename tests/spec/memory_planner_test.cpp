// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/config_issues.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/system_memory.h"
#include "tests/spec/planned_models.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace longlora {
namespace {

using test::bytesOf;
using test::deviceWith;
using test::gpuWith;
using test::llama2;
using test::pythia;
using test::runAt;
using test::tiny;

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kGiB = 1024.0 * kMiB;

TEST(CountTrainable, EqualsThePaperForLlama2)
{
    const TrainableCount trained = countTrainable(llama2(), RunConfig());
    EXPECT_EQ(trained.lora, 8388608);
    EXPECT_EQ(trained.embeddings, 131072000);
    EXPECT_EQ(trained.norms, 266240);
    EXPECT_EQ(trained.other, 0);
    RunConfig config;
    config.lora.trainEmbeddings = false;
    config.lora.trainNorms = false;
    config.lora.targets = {"q_proj", "q_proj", "unknown"};
    EXPECT_EQ(countTrainable(llama2(), config).total(), 32 * 8 * 2 * 4096);
}

TEST(CountTrainable, KnowsTheProjectionsAndNormsOfEachFamily)
{
    RunConfig config;
    config.lora.targets = {"query_key_value", "dense"};
    const TrainableCount neox = countTrainable(pythia(), config);
    EXPECT_EQ(neox.lora, 24 * 8 * ((2048 + 3 * 2048) + (2048 + 2048)));
    EXPECT_EQ(neox.embeddings, 50304 * 2048);
    EXPECT_EQ(neox.norms, (2 * 24 + 1) * 2 * 2048); // weights and biases
    config.lora.targets = {"dense_h_to_4h", "dense_4h_to_h", "q_proj"};
    EXPECT_EQ(countTrainable(pythia(), config).lora, 24 * 8 * 2 * (2048 + 8192));

    ModelConfig qwen3 = tiny();
    qwen3.architecture = "Qwen3ForCausalLM";
    qwen3.queryKeyNorm = true;
    EXPECT_EQ(countTrainable(qwen3, RunConfig()).norms, 9 * 128 + 4 * 2 * 32);
}

TEST(CountTrainable, FullTrainsEveryParameter)
{
    RunConfig config;
    config.method = TrainingMethod::Full;
    EXPECT_EQ(countTrainable(llama2(), config).total(), llama2().parameterCount());
    EXPECT_EQ(countTrainable(tiny(), config).total(), tiny().parameterCount());
    EXPECT_EQ(countTrainable(pythia(), config).total(), pythia().parameterCount());
    EXPECT_EQ(pythia().parameterCount(), 1414647808);
}

TEST(PlanMemory, PeakIsTheSumOfTheItems)
{
    for (const ModelConfig& model : {llama2(), tiny(), pythia()}) {
        for (const std::int64_t length : {1, 64, 1000, 32768}) {
            for (const char* kind : {"fp32", "bf16", "full", "nf4"}) {
                RunConfig config = runAt(length);
                config.precision.compute =
                    std::string(kind) == "bf16" ? ComputePrecision::Bf16 : ComputePrecision::Fp32;
                config.method =
                    std::string(kind) == "full" ? TrainingMethod::Full : TrainingMethod::Lora;
                config.quantization =
                    std::string(kind) == "nf4" ? Quantization::Nf4 : Quantization::None;
                const MemoryPlan plan = planMemory(model, config, deviceWith(16 * kGiB));
                double sum = 0.0;
                for (const PlannedItem& item : plan.items) {
                    EXPECT_GT(item.bytes, 0.0) << item.name;
                    EXPECT_FALSE(item.formula.empty()) << item.name;
                    sum += item.bytes;
                }
                EXPECT_NEAR(sum / plan.peakBytes, 1.0, 1e-12) << length << " " << kind;
            }
        }
    }
}

TEST(PlanMemory, WeightsAndOptimizerFollowThePrecision)
{
    const double frozen = static_cast<double>(llama2().parameterCount()) - 131072000 - 266240;
    const double trained = 8388608 + 131072000 + 266240;
    const double stacked = 8388608 * 0.75; // of q, k and v, which are slices of one matrix
    const MemoryPlan fp32 = planMemory(llama2(), runAt(1024), deviceWith(0));
    EXPECT_EQ(bytesOf(fp32, "Frozen weights"), frozen * 4);
    EXPECT_EQ(bytesOf(fp32, "Trained weights"), trained * 4);
    EXPECT_EQ(bytesOf(fp32, "Compute copy of trained weights"), stacked * 4);
    EXPECT_EQ(bytesOf(fp32, "Gradients"), trained * 4);
    EXPECT_EQ(bytesOf(fp32, "Optimizer moments"), trained * 8);
    EXPECT_EQ(fp32.trainableBytes, trained * 16 + stacked * 4);

    RunConfig config = runAt(1024);
    config.precision.compute = ComputePrecision::Bf16;
    const MemoryPlan bf16 = planMemory(llama2(), config, deviceWith(0));
    EXPECT_EQ(bytesOf(bf16, "Frozen weights"), frozen * 2);
    EXPECT_EQ(bytesOf(bf16, "Trained weights"), trained * 4);
    EXPECT_EQ(bytesOf(bf16, "Compute copy of trained weights"), trained * 2);
    EXPECT_EQ(bf16.trainableBytes, trained * 18);
    EXPECT_EQ(bf16.trainableParameters, 139726848);
}

/// engine.md's figures: 0.516 bytes a number, and one layer in full.
TEST(PlanMemory, FourBitsHoldTheLinearsOfTheLayers)
{
    RunConfig config = runAt(1024);
    config.precision.compute = ComputePrecision::Bf16;
    config.quantization = Quantization::Nf4;
    const double layer = 4.0 * 4096 * 4096 + 3.0 * 4096 * 11008;
    const double linears = 32.0 * layer;
    const double frozen = static_cast<double>(llama2().parameterCount()) - 131072000 - 266240;
    const MemoryPlan plan = planMemory(llama2(), config, deviceWith(0));
    EXPECT_NEAR(bytesOf(plan, "Frozen weights in NF4") / linears, 0.5159, 1e-4);
    EXPECT_EQ(bytesOf(plan, "Frozen weights"), (frozen - linears) * 2); // the head
    EXPECT_EQ(bytesOf(plan, "Layer unpacked from NF4"), layer * 2);
    config.quantization = Quantization::None;
    const MemoryPlan full = planMemory(llama2(), config, deviceWith(0));
    EXPECT_EQ(bytesOf(full, "Frozen weights in NF4"), 0.0);
    EXPECT_GT(full.peakBytes - plan.peakBytes, 8.5e9);
}

TEST(PlanMemory, AutoPrecisionIsTheDevices)
{
    RunConfig config = runAt(1024);
    config.precision.compute = ComputePrecision::Auto;
    DeviceProfile device = deviceWith(0);
    const double wide = bytesOf(planMemory(llama2(), config, device), "Frozen weights");
    device.autoPrecision = ComputePrecision::Bf16;
    EXPECT_EQ(bytesOf(planMemory(llama2(), config, device), "Frozen weights"), wide / 2);
}

TEST(PlanMemory, TrainedTiedEmbeddingLeavesTheHeadFrozen)
{
    const MemoryPlan plan = planMemory(tiny(), runAt(1024), deviceWith(0));
    const double norms = 9 * 128;
    EXPECT_EQ(bytesOf(plan, "Frozen weights"),
              (static_cast<double>(tiny().parameterCount()) - norms) * 4);
}

TEST(PlanMemory, WithoutRoomOnlyHiddenStatesAreKept)
{
    const MemoryPlan plan = planMemory(llama2(), runAt(16384), deviceWith(0));
    EXPECT_EQ(bytesOf(plan, "Kept activations"), 32.0 * 16384 * 4096 * 4);
}

TEST(PlanMemory, WithRoomEverythingIsKept)
{
    const MemoryPlan plan = planMemory(tiny(), runAt(1024), deviceWith(64 * kGiB));
    EXPECT_EQ(plan.layerMemory.recompute, std::vector<RecomputeLevel>(4, RecomputeLevel::None));
}

TEST(PlanMemory, RecomputeAutoNeverNeedsMoreThanItsShareOfTheDevice)
{
    RunConfig full = runAt(8192);
    full.memory.recompute = RecomputeLevel::Full;
    const double least = planMemory(llama2(), full, deviceWith(0)).peakBytes;
    double before = 0.0;
    for (double share = 1.0; share < 3.0; share += 0.05) {
        const DeviceProfile device = deviceWith(least * share / 0.8);
        const MemoryPlan plan = planMemory(llama2(), runAt(8192), device);
        EXPECT_LE(plan.peakBytes, least * share * (1.0 + 1e-12));
        EXPECT_GE(plan.peakBytes, before);
        before = plan.peakBytes;
    }
    EXPECT_GT(before, 1.5 * least);
}

TEST(PlanMemory, ActivationsGrowInProportionToTokens)
{
    const auto kept = [](std::int64_t length, std::int64_t rows) {
        RunConfig config = runAt(length);
        config.batch.microBatch = rows;
        const MemoryPlan plan = planMemory(llama2(), config, deviceWith(0));
        return bytesOf(plan, "Kept activations") + bytesOf(plan, "Backward of one layer");
    };
    EXPECT_NEAR(kept(32768, 1) / kept(16384, 1), 2.0, 1e-9);
}

TEST(PlanMemory, RowsCountAsTokens)
{
    const auto backward = [](std::int64_t length, std::int64_t rows) {
        RunConfig config = runAt(length);
        config.batch.microBatch = rows;
        config.attention.group = 2048;
        return bytesOf(planMemory(llama2(), config, gpuWith(0)), "Backward of one layer");
    };
    EXPECT_EQ(backward(16384, 3), backward(3 * 16384, 1));
}

double backwardAt(AttentionKind kind, const DeviceProfile& device)
{
    RunConfig config = runAt(16384);
    config.attention.kind = kind;
    config.memory.recompute = RecomputeLevel::Output; // on whole rows
    return bytesOf(planMemory(llama2(), config, device), "Backward of one layer");
}

TEST(PlanMemory, AttentionsKernelIsCountedAsTheDeviceHasIt)
{
    // On a GPU S2's dense calls return gradients of half of the heads, full attention's of all.
    EXPECT_EQ(backwardAt(AttentionKind::Full, gpuWith(0)) -
                  backwardAt(AttentionKind::S2, gpuWith(0)),
              16384.0 * 4 * 4096 / 2 * 4);
    // On a processor each thread holds the keys of one head's segment: a quarter of them under S2.
    DeviceProfile cpu = deviceWith(0);
    cpu.threads = 8;
    EXPECT_EQ(backwardAt(AttentionKind::Full, cpu) - backwardAt(AttentionKind::S2, cpu),
              8.0 * (16384 - 4096) * 128 * (3 * 4 + 2 * 4));
}

TEST(PlanMemory, LossIsCountedWhereItIsTheLarger)
{
    ModelConfig model = tiny();
    model.vocabularySize = 128000;
    const MemoryPlan plan = planMemory(model, runAt(1024), deviceWith(0));
    const double logits = 1024.0 * 128000 * 4 + 3 * 1024.0 * 128 * 4;
    EXPECT_EQ(bytesOf(plan, "Loss, beyond that") + bytesOf(plan, "Backward of one layer"), logits);
}

TEST(PlanMemory, ProgramIsTheDevicesAndALittle)
{
    DeviceProfile device = deviceWith(0);
    device.programBytes = 500 * kMiB;
    const double program = bytesOf(planMemory(tiny(), runAt(256), device), "Program and libraries");
    EXPECT_GT(program, 500 * kMiB);
    EXPECT_LT(program, 550 * kMiB);
}

TEST(PlanMemory, FitsExactlyUpToTheDevice)
{
    const double peak = planMemory(llama2(), runAt(8192), deviceWith(0)).peakBytes;
    EXPECT_TRUE(planMemory(llama2(), runAt(8192), deviceWith(peak)).fits);
    EXPECT_FALSE(planMemory(llama2(), runAt(8192), deviceWith(peak - 1)).fits);
}

TEST(PlanMemory, LargestContextFitsAndTheNextDoesNot)
{
    for (const ModelConfig& model : {llama2(), tiny()}) {
        for (const double gib : {0.3, 0.5, 1.0, 2.0, 4.0, 30.0, 40.0, 80.0}) {
            for (const RecomputeLevel level :
                 {RecomputeLevel::Auto, RecomputeLevel::Full, RecomputeLevel::None}) {
                RunConfig config = runAt(512);
                config.memory.recompute = level;
                const DeviceProfile device = deviceWith(gib * kGiB);
                const std::int64_t largest = planMemory(model, config, device).largestContext;
                const std::int64_t step = largest >= 4096 ? 256 : 64;
                EXPECT_EQ(largest % step, 0);
                if (largest > 0) {
                    config.context.length = largest;
                    EXPECT_TRUE(planMemory(model, config, device).fits) << gib << " " << largest;
                }
                // A step further does not fit, nor ten: the search did not stop at a dip.
                for (const std::int64_t more : {step, 10 * step}) {
                    config.context.length = largest + more;
                    EXPECT_FALSE(planMemory(model, config, device).fits) << gib << " " << largest;
                }
            }
        }
    }
}

TEST(PlanMemory, LargestContextIsZeroWhereTheModelDoesNotFit)
{
    EXPECT_EQ(planMemory(llama2(), runAt(512), deviceWith(8 * kGiB)).largestContext, 0);
}

TEST(PlanMemory, WorksOnWhatIsHalfTyped)
{
    RunConfig config;
    config.batch.microBatch = 0;
    config.lora.rank = -3;
    config.attention.group = 0;
    config.checkpoint.keep = -1;
    const MemoryPlan nothing = planMemory(ModelConfig(), config, deviceWith(kGiB));
    EXPECT_TRUE(std::isfinite(nothing.peakBytes));
    EXPECT_TRUE(std::isfinite(nothing.flopsPerStep));
    const MemoryPlan plan = planMemory(llama2(), config, deviceWith(kGiB));
    EXPECT_GT(plan.peakBytes, static_cast<double>(llama2().parameterCount()) * 4);
}

TEST(PlanMemory, TimeNeedsTheDevicesSpeed)
{
    DeviceProfile device = deviceWith(kGiB);
    EXPECT_EQ(planMemory(tiny(), runAt(1024), device).secondsPerStep, 0);
    device.fp32FlopsPerSecond = 1e10;
    device.bf16FlopsPerSecond = 4e10;
    RunConfig config = runAt(1024);
    for (const auto& [precision, speed] :
         std::vector<std::pair<ComputePrecision, double>>{{ComputePrecision::Auto, 1e10},
                                                          {ComputePrecision::Fp32, 1e10},
                                                          {ComputePrecision::Bf16, 4e10},
                                                          {ComputePrecision::Fp64, 0.5e10}}) {
        config.precision.compute = precision;
        const MemoryPlan plan = planMemory(tiny(), config, device);
        EXPECT_EQ(plan.secondsPerStep, plan.flopsPerStep / speed);
    }
}

TEST(PlanMemory, DiskHoldsKeptCheckpointsOneInTheMakingAndTheResult)
{
    RunConfig config = runAt(1024);
    config.checkpoint.keep = 3;
    const double trained = static_cast<double>(countTrainable(tiny(), config).total());
    EXPECT_EQ(planMemory(tiny(), config, deviceWith(0)).diskBytes, 5 * trained * 4);
}

TEST(PlanMemory, OffloadLeavesTheInputsOfThreeLayersOnTheDevice)
{
    RunConfig config = runAt(16384);
    config.memory.recompute = RecomputeLevel::Full;
    config.memory.offload = OffloadMode::On;
    const MemoryPlan plan = planMemory(llama2(), config, gpuWith(80 * kGiB));
    constexpr double kLayerInput = 16384.0 * 4096 * 4;
    EXPECT_EQ(bytesOf(plan, "Kept activations"), 3 * kLayerInput);
    EXPECT_EQ(plan.hostBytes, 31 * kLayerInput);
    EXPECT_TRUE(plan.layerMemory.offload);
    // A processor has no other memory.
    EXPECT_EQ(planMemory(llama2(), config, deviceWith(0)).hostBytes, 0.0);
}

TEST(PlanMemory, OffloadsByItselfOnlyWhereTheRunWouldNotFit)
{
    RunConfig config = runAt(16384);
    config.memory.offload = OffloadMode::Off;
    const double needed = [&] {
        RunConfig least = config;
        least.memory.recompute = RecomputeLevel::Full;
        return planMemory(llama2(), least, gpuWith(0)).peakBytes;
    }();
    EXPECT_FALSE(planMemory(llama2(), config, gpuWith(0.9 * needed)).fits);
    config.memory.offload = OffloadMode::Auto;
    const MemoryPlan tight = planMemory(llama2(), config, gpuWith(0.9 * needed));
    EXPECT_TRUE(tight.layerMemory.offload);
    EXPECT_TRUE(tight.fits);
    EXPECT_FALSE(planMemory(llama2(), config, gpuWith(2.0 * needed)).layerMemory.offload);
}

TEST(PlanMemory, SlidingWindowCountsItsBlockOfScores)
{
    ModelConfig windowed = tiny();
    windowed.slidingWindow = 1024;
    const auto backward = [](const ModelConfig& model, std::int64_t length) {
        return bytesOf(planMemory(model, runAt(length), gpuWith(0)), "Backward of one layer");
    };
    EXPECT_EQ(backward(windowed, 1024), backward(tiny(), 1024));
    EXPECT_EQ(backward(windowed, 4096) - backward(tiny(), 4096), 3.0 * 4 * 256 * (1024 + 255) * 4);
}

TEST(MemoryPlanToJson, HasTheContractsKeys)
{
    const MemoryPlan plan = planMemory(tiny(), runAt(1024), deviceWith(kGiB));
    const auto json = nlohmann::json::parse(memoryPlanToJson(plan));
    ASSERT_EQ(json["items"].size(), plan.items.size());
    EXPECT_EQ(json["items"][0]["name"], plan.items[0].name);
    EXPECT_EQ(json["items"][0]["bytes"], plan.items[0].bytes);
    EXPECT_EQ(json["items"][0]["formula"], plan.items[0].formula);
    EXPECT_EQ(json["peak_bytes"], plan.peakBytes);
    EXPECT_EQ(json["fits"], true);
    EXPECT_EQ(json["largest_context"], plan.largestContext);
    EXPECT_EQ(json["seconds_per_step"], 0.0);
}

TEST(SystemMemory, ThisMachineHasSome)
{
    const DeviceProfile profile = localCpuProfile();
    EXPECT_GT(profile.memoryBytes, 16 * kMiB);
    EXPECT_EQ(profile.kind, DeviceKind::Cpu);
    EXPECT_TRUE(profile.name.starts_with("CPU, "));
    EXPECT_NE(profile.autoPrecision, ComputePrecision::Auto);
    EXPECT_GT(profile.programBytes, 1 * kMiB);
    // What the program holds is not the run's, but it is there.
    const std::vector<char> held(std::size_t{64} << 20U, 'x');
    EXPECT_GT(localCpuProfile().programBytes, profile.programBytes + 48 * kMiB);
    EXPECT_EQ(held.back(), 'x');
}

/// A small stand-in for / of a machine with 8 GiB free.
class FakeMachine {
public:
    FakeMachine() { write("proc/meminfo", "MemTotal: 99 kB\nMemAvailable:    8388608 kB\n"); }
    void write(const std::string& name, const std::string& content) const
    {
        std::filesystem::create_directories((m_folder.path() / name).parent_path());
        m_folder.write(name, content);
    }
    double available() const { return availableMemoryBytes(m_folder.path()); }

private:
    test::TemporaryFolder m_folder;
};

TEST(SystemMemory, IsWhatTheKernelSaysWithoutAControlGroup)
{
    EXPECT_EQ(FakeMachine().available(), 8 * kGiB);
}

TEST(SystemMemory, ObeysTheTightestControlGroupAbove)
{
    const FakeMachine machine;
    machine.write("proc/self/cgroup", "0::/slice/job\n");
    machine.write("sys/fs/cgroup/slice/job/memory.max", "max\n");
    machine.write("sys/fs/cgroup/slice/job/memory.current", "5\n");
    EXPECT_EQ(machine.available(), 8 * kGiB);
    machine.write("sys/fs/cgroup/slice/memory.max", "4294967296\n");
    machine.write("sys/fs/cgroup/slice/memory.current", "1073741824\n");
    EXPECT_EQ(machine.available(), 3 * kGiB);
    machine.write("sys/fs/cgroup/slice/memory.stat", "anon 7\ninactive_file 536870912\n");
    EXPECT_EQ(machine.available(), 3.5 * kGiB);
}

TEST(SystemMemory, ObeysAContainersOwnLimit)
{
    const FakeMachine machine;
    machine.write("proc/self/cgroup", "0::/\n");
    machine.write("sys/fs/cgroup/memory.max", "2147483648\n");
    machine.write("sys/fs/cgroup/memory.current", "0\n");
    EXPECT_EQ(machine.available(), 2 * kGiB);
}

TEST(SystemMemory, ObeysTheOlderControlGroups)
{
    const FakeMachine machine;
    machine.write("proc/self/cgroup", "3:cpu:/x\n7:memory:/job\n");
    machine.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2147483648\n");
    machine.write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1073741824\n");
    EXPECT_EQ(machine.available(), 1 * kGiB);
}

} // namespace
} // namespace longlora
