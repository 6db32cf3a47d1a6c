// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace longlora::ui {

/// The steps of a run as columns of equal length, ready to be drawn.
struct StepColumns {
    std::vector<double> step;
    std::vector<double> seconds; ///< since the run's first event
    std::vector<double> tokens;  ///< read so far
    std::vector<double> loss;    ///< nats
    std::vector<double> learningRate;
    std::vector<double> gradientNorm;
    std::vector<double> tokensPerSecond;
    std::vector<double> memoryBytes;
    std::size_t size() const { return step.size(); }
    bool operator==(const StepColumns&) const = default;
};

/// Losses on held-out rows; columns of equal length.
struct HeldOutColumns {
    std::vector<double> step;
    std::vector<double> seconds;
    std::vector<double> tokens; ///< read by training when it was measured
    std::vector<double> loss;
    std::size_t size() const { return step.size(); }
    bool operator==(const HeldOutColumns&) const = default;
};

/// Everything known of one run, as told by its events: a plain value, the same whether the events
/// came through a queue or from a file.
struct RunRecord {
    std::optional<RunStarted> started;
    std::optional<RunFinished> finished;
    RunState state = RunState::Preparing;
    std::string stateDetail; ///< what it was doing last
    double firstTime = 0.0;  ///< seconds since 1970
    double lastTime = 0.0;
    double peakBytes = 0.0;
    StepColumns steps;
    HeldOutColumns heldOut;
    std::vector<Event> log;             ///< everything but steps and the GPU's figures
    std::optional<DeviceMeasured> gpu;  ///< the latest; none on a processor
    std::int64_t fullAttentionFrom = 0; ///< first step with full attention; 0: none

    void apply(const Event& event);

    bool isFinished() const { return finished.has_value(); }
    std::int64_t currentStep() const;
    /// Seconds until the last step, from the pace of the latest steps. Empty if not known.
    std::optional<double> secondsLeft() const;
    double latestTokensPerSecond() const;

    bool operator==(const RunRecord&) const = default;

private:
    void applyStep(const StepDone& step, double seconds);
};

} // namespace longlora::ui
