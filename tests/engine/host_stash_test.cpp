// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tensor/host_stash.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>

#include <vector>

namespace longlora {
namespace {

TEST(HostStash, GivesBackWhatWasPutInAnyOrder)
{
    constexpr std::size_t kCount = 5;
    HostStash stash(at::empty({3, 4}), kCount);
    std::vector<at::Tensor> originals;
    for (std::size_t slot = 0; slot < kCount; ++slot) {
        at::Tensor x = at::randn({3, 4});
        originals.push_back(x.clone());
        stash.put(slot, x);
        x.fill_(7.0); // its place may be used again
    }
    for (std::size_t slot = kCount; slot-- > 0;) {
        const at::Tensor back = stash.take(slot);
        if (slot > 0) {
            stash.prefetch(slot - 1);
        }
        EXPECT_TRUE(at::equal(back, originals[slot])) << slot;
    }
    stash.prefetch(1);
    EXPECT_TRUE(at::equal(stash.take(3), originals[3])) << "another than was fetched ahead";
}

TEST(HostStash, SuitsTensorsOfItsShapeAndTypeAlone)
{
    const at::Tensor example = at::empty({3, 4});
    const HostStash stash(example, 2);
    EXPECT_TRUE(stash.suits(at::zeros({3, 4}), 2));
    EXPECT_FALSE(stash.suits(at::zeros({3, 4}), 3));
    EXPECT_FALSE(stash.suits(at::zeros({4, 3}), 2));
    EXPECT_FALSE(stash.suits(at::zeros({3, 4}, at::kDouble), 2));
}

TEST(HostStash, BlocksWasteLittleOfAPowerOfTwo)
{
    constexpr std::size_t kMiB = 1 << 20;
    EXPECT_EQ(tensorsPerBlock(kMiB, 1), 1U);
    EXPECT_EQ(tensorsPerBlock(kMiB, 40), 1U) << "one fills its block";
    EXPECT_EQ(tensorsPerBlock(800 * kMiB, 32), 5U) << "4,000 of 4,096 MiB";
    EXPECT_EQ(tensorsPerBlock(800 * kMiB, 3), 1U) << "800 of 1,024 MiB, 1,600 of 2,048";
    EXPECT_EQ(tensorsPerBlock(600 * kMiB, 3), 3U) << "1,800 of 2,048 MiB";
}

} // namespace
} // namespace longlora
