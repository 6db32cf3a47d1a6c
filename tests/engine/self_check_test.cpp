// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention/self_check.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

TEST(SelfCheck, EveryCaseHoldsOnThisProcessor)
{
    const auto cases = runSelfCheck(DeviceKind::Cpu);
    EXPECT_GE(cases.size(), 11U);
    for (const SelfCheckCase& c : cases) {
        EXPECT_TRUE(c.passed) << c.name << ": " << c.error << " against " << c.tolerance;
    }
}

} // namespace
} // namespace longlora
