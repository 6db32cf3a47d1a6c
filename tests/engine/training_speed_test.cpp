// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/training_speed.h"

#include <gtest/gtest.h>

#include <cmath>

namespace longlora {
namespace {

TEST(TrainingSpeed, IsAFigureInEveryPrecision)
{
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
        const double speed = measureTrainingSpeed({at::kCPU, dtype});
        EXPECT_TRUE(std::isfinite(speed));
        EXPECT_GT(speed, 1e6);
    }
}

} // namespace
} // namespace longlora
