// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/host_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace longlora {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(HostPool, GivesTheSameBlockToTheNextOfItsSize)
{
    HostPool pool;
    void* const first = pool.take(5 * kMiB);
    std::memset(first, 1, 5 * kMiB);
    EXPECT_TRUE(pool.giveBack(first));
    EXPECT_EQ(pool.take(5 * kMiB - 100), first);
    EXPECT_EQ(pool.statistics().mappings, 1U);
    EXPECT_TRUE(pool.giveBack(first));
    pool.take(4 * kMiB); // a fifth of the block would lie idle
    EXPECT_EQ(pool.statistics().mappings, 2U);
    EXPECT_EQ(pool.statistics().mappedBytes, 4 * kMiB);
}

TEST(HostPool, NeverMapsMoreThanWasInUseAtOneTime)
{
    HostPool pool;
    std::vector<void*> blocks;
    std::size_t most = 0;
    unsigned random = 1;
    for (int i = 0; i < 2000; ++i) {
        random = random * 1664525U + 1013904223U;
        if (blocks.size() > 12 || (random >> 31) != 0) {
            if (!blocks.empty()) {
                EXPECT_TRUE(pool.giveBack(blocks.back()));
                blocks.pop_back();
            }
        } else {
            blocks.push_back(pool.take((1 + (random >> 16) % 16) * kMiB + (random >> 8) % 4096));
        }
        const HostPool::Statistics now = pool.statistics();
        most = std::max(most, now.liveBytes);
        EXPECT_EQ(now.peakLiveBytes, most);
        EXPECT_LE(now.mappedBytes, most);
    }
    for (void* block : blocks) {
        EXPECT_TRUE(pool.giveBack(block));
    }
    EXPECT_EQ(pool.statistics().liveBytes, 0U);
}

TEST(HostPool, ForgettingThePeakUnmapsWhatIsKept)
{
    HostPool pool;
    void* const kept = pool.take(8 * kMiB);
    void* const live = pool.take(2 * kMiB);
    EXPECT_TRUE(pool.giveBack(kept));
    EXPECT_EQ(pool.statistics().mappedBytes, 10 * kMiB);
    pool.forgetPeak();
    EXPECT_EQ(pool.statistics().mappedBytes, 2 * kMiB);
    EXPECT_EQ(pool.statistics().peakLiveBytes, 2 * kMiB);
    EXPECT_TRUE(pool.giveBack(live));
}

TEST(HostPool, DoesNotTakeBackWhatIsNotItsOwn)
{
    HostPool pool;
    int mine = 0;
    EXPECT_FALSE(pool.giveBack(&mine));
}

} // namespace
} // namespace longlora
