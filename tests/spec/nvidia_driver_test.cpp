// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/device_table.h"
#include "core/spec/plan/local_gpu.h"
#include "core/spec/plan/memory_planner.h"
#include "core/spec/plan/nvidia_driver.h"
#include "core/spec/plan/plan_alternatives.h"
#include "core/spec/run/gpu_watch.h"
#include "tests/spec/planned_models.h"
#include "tests/support/fake_nvml.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

constexpr int kNotSupported = 3;
constexpr int kGpuIsLost = 15;
constexpr int kDriverNotLoaded = 9;
constexpr unsigned long long kGiB = 1ULL << 30U;

class NvidiaDriverTest : public testing::Test {
protected:
    test::FakeNvml& m_answers = test::fakeNvml(LONGLORA_FAKE_NVML);

    static test::FakeNvml::Gpu h200()
    {
        test::FakeNvml::Gpu gpu;
        gpu.total = 140 * kGiB;
        gpu.reserved = kGiB;
        gpu.free = 100 * kGiB;
        gpu.processBytes = {30 * kGiB, 9 * kGiB};
        gpu.busyPercent = 87;
        gpu.celsius = 64;
        gpu.milliwatts = 512340;
        gpu.milliwattLimit = 700000;
        return gpu;
    }
};

TEST_F(NvidiaDriverTest, TellsNameMemoryLoadTemperatureAndPowerOfEachGpu)
{
    m_answers.gpus = {h200(), h200()};
    m_answers.gpus[1].uuid = "GPU-1";
    const std::vector<GpuState> gpus = NvidiaDriver(LONGLORA_FAKE_NVML).gpus();
    ASSERT_EQ(gpus.size(), 2U);
    EXPECT_EQ(gpus[0].name, "NVIDIA H200");
    EXPECT_EQ(gpus[1].uuid, "GPU-1");
    EXPECT_EQ(gpus[0].memoryBytes, 140.0 * kGiB);
    EXPECT_EQ(gpus[0].reservedBytes, 1.0 * kGiB);
    EXPECT_EQ(gpus[0].freeBytes, 100.0 * kGiB);
    EXPECT_EQ(gpus[0].ownBytes, 9.0 * kGiB);
    EXPECT_EQ(gpus[0].othersBytes(), 30.0 * kGiB);
    EXPECT_DOUBLE_EQ(gpus[0].busy.value(), 0.87);
    EXPECT_EQ(gpus[0].celsius, 64.0);
    EXPECT_DOUBLE_EQ(gpus[0].watts.value(), 512.34);
    EXPECT_DOUBLE_EQ(gpus[0].wattLimit.value(), 700.0);
}

TEST_F(NvidiaDriverTest, WithoutALibraryThereAreNoGpus)
{
    const NvidiaDriver none("libthere-is-no-such-library.so.1");
    EXPECT_TRUE(none.gpus().empty());
    EXPECT_FALSE(none.gpu("GPU-0"));
}

TEST_F(NvidiaDriverTest, ALibraryThatIsAnotherOneHasNoGpus)
{
    const NvidiaDriver other("libm.so.6");
    EXPECT_TRUE(other.gpus().empty());
    EXPECT_FALSE(other.gpu("GPU-0"));
}

TEST_F(NvidiaDriverTest, ALibraryWithoutItsDriverHasNoGpus)
{
    m_answers.gpus = {h200()};
    m_answers.init = kDriverNotLoaded;
    EXPECT_TRUE(NvidiaDriver(LONGLORA_FAKE_NVML).gpus().empty());
    EXPECT_FALSE(NvidiaDriver(LONGLORA_FAKE_NVML).gpu("GPU-0"));
    EXPECT_EQ(m_answers.inits, 0);
}

TEST_F(NvidiaDriverTest, WhatIsNotSupportedIsNotThereAndNoError)
{
    m_answers.gpus = {h200()};
    m_answers.details = kNotSupported;
    const auto gpu = NvidiaDriver(LONGLORA_FAKE_NVML).gpu("GPU-0");
    ASSERT_TRUE(gpu);
    EXPECT_EQ(gpu->freeBytes, 100.0 * kGiB);
    EXPECT_FALSE(gpu->busy || gpu->celsius || gpu->watts || gpu->wattLimit);
    EXPECT_EQ(gpu->ownBytes, 0.0);
}

TEST_F(NvidiaDriverTest, AnOlderDriverTellsMemoryWithoutItsOwn)
{
    m_answers.gpus = {h200()};
    m_answers.memoryV2 = kNotSupported;
    const auto gpu = NvidiaDriver(LONGLORA_FAKE_NVML).gpu("GPU-0");
    ASSERT_TRUE(gpu);
    EXPECT_EQ(gpu->freeBytes, 100.0 * kGiB);
    EXPECT_EQ(gpu->reservedBytes, 0.0);
}

TEST_F(NvidiaDriverTest, AGpuThatIsLostIsLeftOut)
{
    m_answers.gpus = {h200()};
    m_answers.memory = m_answers.memoryV2 = kGpuIsLost;
    EXPECT_TRUE(NvidiaDriver(LONGLORA_FAKE_NVML).gpus().empty());
}

TEST_F(NvidiaDriverTest, FindsAGpuByItsUuidAndNoOther)
{
    m_answers.gpus = {h200(), h200()};
    m_answers.gpus[1].uuid = "MIG-7";
    m_answers.gpus[1].name = "NVIDIA H200 MIG 1g.18gb";
    EXPECT_EQ(NvidiaDriver(LONGLORA_FAKE_NVML).gpu("MIG-7")->name, "NVIDIA H200 MIG 1g.18gb");
    EXPECT_EQ(NvidiaDriver(LONGLORA_FAKE_NVML).gpu("7")->uuid, "MIG-7");
    EXPECT_EQ(NvidiaDriver(LONGLORA_FAKE_NVML).gpu("0")->uuid, "GPU-0");
    EXPECT_FALSE(NvidiaDriver(LONGLORA_FAKE_NVML).gpu("GPU-2"));
}

TEST_F(NvidiaDriverTest, ManyProcessesDoNotHideThisOne)
{
    m_answers.gpus = {h200()};
    m_answers.gpus[0].processBytes.assign(50, kGiB / 8);
    m_answers.gpus[0].processBytes.back() = 3 * kGiB;
    EXPECT_EQ(NvidiaDriver(LONGLORA_FAKE_NVML).gpu("GPU-0")->ownBytes, 3.0 * kGiB);
}

TEST_F(NvidiaDriverTest, EveryStartIsPairedWithAnEnd)
{
    {
        const NvidiaDriver driver(LONGLORA_FAKE_NVML);
        EXPECT_EQ(m_answers.inits, 1);
    }
    EXPECT_EQ(m_answers.inits, 0);
}

TEST_F(NvidiaDriverTest, APlanHasWhatOtherProgramsLeaveAndSaysSo)
{
    m_answers.gpus = {h200()};
    const DeviceProfile device = profileOf(NvidiaDriver(LONGLORA_FAKE_NVML).gpus().front());
    EXPECT_EQ(device.kind, DeviceKind::Cuda);
    EXPECT_EQ(device.memoryBytes, 109.0 * kGiB);
    EXPECT_EQ(device.takenBytes, 30.0 * kGiB);
    EXPECT_NE(device.source.find("109 GiB of 140 GiB are free for this program, 30 GiB are taken "
                                 "by other programs"),
              std::string::npos)
        << device.source;
    EXPECT_EQ(device.source.find("of the memory is the driver's"), std::string::npos);
    EXPECT_EQ(device.bf16FlopsPerSecond, parseDevices("H200").device.bf16FlopsPerSecond);

    RunConfig config = test::runAt(1 << 20);
    config.memory.offload = OffloadMode::Off;
    try {
        requireFits(test::llama2Large(), config, device);
        FAIL();
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what())
                      .find("NVIDIA H200 has 109 GiB free (30 GiB are taken by other programs)"),
                  std::string::npos)
            << error.what();
    }
}

TEST_F(NvidiaDriverTest, AGpuThatTheTableDoesNotKnowIsPlannedWithoutATime)
{
    m_answers.gpus = {h200()};
    m_answers.gpus[0].name = "NVIDIA Unheard 9000";
    const DeviceProfile device = profileOf(NvidiaDriver(LONGLORA_FAKE_NVML).gpus().front());
    EXPECT_EQ(device.name, "NVIDIA Unheard 9000");
    const MemoryPlan plan = planMemory(test::llama2(), test::runAt(8192), device);
    EXPECT_TRUE(plan.fits);
    EXPECT_EQ(plan.secondsPerStep, 0.0);
}

TEST_F(NvidiaDriverTest, ARunTellsOfItsGpuNowAndThen)
{
    m_answers.gpus = {h200()};
    GpuWatch watch("0", LONGLORA_FAKE_NVML);
    const GpuWatch::Clock::time_point start{};
    const auto first = watch.look(start);
    ASSERT_TRUE(first);
    EXPECT_EQ(*first, (DeviceMeasured{140.0 * kGiB, 100.0 * kGiB, 30.0 * kGiB, 0.87, 64.0,
                                      m_answers.gpus[0].milliwatts * 1e-3}));
    EXPECT_FALSE(watch.look(start + GpuWatch::kPeriod / 2));
    m_answers.gpus[0].free = 0;
    EXPECT_EQ(watch.look(start + GpuWatch::kPeriod)->freeBytes, 0.0);
    m_answers.memory = m_answers.memoryV2 = kGpuIsLost;
    EXPECT_FALSE(watch.look(start + 2 * GpuWatch::kPeriod));
}

TEST_F(NvidiaDriverTest, ARunOnAProcessorTellsOfNoGpu)
{
    m_answers.gpus = {h200()};
    EXPECT_FALSE(GpuWatch("", LONGLORA_FAKE_NVML).look({}));
}

} // namespace
} // namespace longlora
