// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <cstdint>

namespace longlora {

/// Learning rate of the update of step `step` (from 0) out of `totalSteps`: warm-up
/// rate x min(1, step / warmup), then constant, cosine to 0 or linear to 0. As in transformers, so
/// the first update of a warm-up has rate 0.
double scheduledRate(const ScheduleConfig& schedule, double peakRate, std::int64_t step,
                     std::int64_t totalSteps);

/// First step (from 0) that runs with full attention: the last `fullFinalFraction` of the steps.
std::int64_t firstFullAttentionStep(const AttentionConfig& attention, std::int64_t totalSteps);

} // namespace longlora
