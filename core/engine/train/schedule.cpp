// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace longlora {

double scheduledRate(const ScheduleConfig& schedule, double peakRate, std::int64_t step,
                     std::int64_t totalSteps)
{
    if (step < schedule.warmupSteps) {
        return peakRate * static_cast<double>(step) / static_cast<double>(schedule.warmupSteps);
    }
    const double rest =
        static_cast<double>(std::max<std::int64_t>(1, totalSteps - schedule.warmupSteps));
    const double progress = std::min(1.0, static_cast<double>(step - schedule.warmupSteps) / rest);
    switch (schedule.kind) {
    case ScheduleKind::Cosine:
        return peakRate * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
    case ScheduleKind::Linear:
        return peakRate * (1.0 - progress);
    case ScheduleKind::Constant:
        break;
    }
    return peakRate;
}

std::int64_t firstFullAttentionStep(const AttentionConfig& attention, std::int64_t totalSteps)
{
    if (attention.kind == AttentionKind::Full) {
        return 0;
    }
    const double fullSteps = attention.fullFinalFraction * static_cast<double>(totalSteps);
    return totalSteps - static_cast<std::int64_t>(std::llround(fullSteps));
}

} // namespace longlora
