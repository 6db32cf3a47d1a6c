// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/run_record.h"

#include <algorithm>
#include <cmath>

namespace longlora::ui {

namespace {

/// Steps whose mean duration stands for the pace: enough to be calm, few enough to follow a change.
constexpr std::size_t kPaceSteps = 20;

} // namespace

void RunRecord::apply(const Event& event)
{
    if (event.header.rank != 0) {
        return;
    }
    if (firstTime == 0.0) {
        firstTime = event.header.time;
    }
    lastTime = event.header.time;
    const double seconds = event.header.time - firstTime;

    if (const auto* step = std::get_if<StepDone>(&event.body)) {
        applyStep(*step, seconds);
        return;
    }
    if (const auto* measured = std::get_if<DeviceMeasured>(&event.body)) {
        gpu = *measured;
        return;
    }
    if (const auto* begin = std::get_if<RunStarted>(&event.body)) {
        started = *begin;
    } else if (const auto* held = std::get_if<HeldOutMeasured>(&event.body)) {
        heldOut.step.push_back(static_cast<double>(held->step));
        heldOut.seconds.push_back(seconds);
        heldOut.tokens.push_back(steps.tokens.empty() ? 0.0 : steps.tokens.back());
        heldOut.loss.push_back(held->loss);
    } else if (const auto* change = std::get_if<StateChanged>(&event.body)) {
        state = change->state;
        stateDetail = change->detail;
    } else if (const auto* end = std::get_if<RunFinished>(&event.body)) {
        finished = *end;
        state = RunState::Finished;
        peakBytes = std::max(peakBytes, end->peakBytes);
    }
    log.push_back(event);
}

void RunRecord::applyStep(const StepDone& step, double seconds)
{
    steps.step.push_back(static_cast<double>(step.step));
    steps.seconds.push_back(seconds);
    steps.tokens.push_back((steps.tokens.empty() ? 0.0 : steps.tokens.back()) +
                           static_cast<double>(step.tokens));
    steps.loss.push_back(step.loss);
    steps.learningRate.push_back(step.learningRate);
    steps.gradientNorm.push_back(step.gradientNorm);
    steps.tokensPerSecond.push_back(step.tokensPerSecond);
    steps.memoryBytes.push_back(step.memoryBytes);
    peakBytes = std::max(peakBytes, step.peakBytes);
    if (step.fullAttention && fullAttentionFrom == 0) {
        fullAttentionFrom = step.step;
    }
}

std::int64_t RunRecord::currentStep() const
{
    return steps.step.empty() ? 0 : std::llround(steps.step.back());
}

std::optional<double> RunRecord::secondsLeft() const
{
    if (isFinished() || !started || steps.size() < 2) {
        return std::nullopt;
    }
    const std::size_t last = steps.size() - 1;
    const std::size_t first = last - std::min(last, kPaceSteps);
    const double pace =
        (steps.seconds[last] - steps.seconds[first]) / static_cast<double>(last - first);
    return pace *
           static_cast<double>(std::max<std::int64_t>(0, started->totalSteps - currentStep()));
}

double RunRecord::latestTokensPerSecond() const
{
    return steps.tokensPerSecond.empty() ? 0.0 : steps.tokensPerSecond.back();
}

} // namespace longlora::ui
