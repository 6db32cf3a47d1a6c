// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace longlora {

/// Where and when something was said. Sequence numbers count from 0 per rank without gaps.
struct EventHeader {
    std::string run; ///< run name
    int rank = 0;
    std::int64_t sequence = 0;
    double time = 0.0; ///< seconds since 1970-01-01 UTC
    bool operator==(const EventHeader&) const = default;
};

/// A named part of the memory plan, as `plan.json` and the first event carry it.
struct PlannedItem {
    std::string name;
    double bytes = 0.0;
    std::string formula;
    bool operator==(const PlannedItem&) const = default;
};

struct RunStarted {
    std::int64_t totalSteps = 0;
    std::int64_t rowTokens = 0; ///< tokens per row
    std::int64_t rowsPerStep = 0;
    std::int64_t parameters = 0;
    std::int64_t trainableParameters = 0;
    std::string device;    ///< "CPU, 2 threads", "NVIDIA H200"
    std::string precision; ///< "fp32"
    std::string attention; ///< "S2, group 256, clipped"
    double plannedPeakBytes = 0.0;
    std::vector<PlannedItem> plan;
    bool operator==(const RunStarted&) const = default;
};

/// One optimizer step, after its update. Loss and gradient norm are from before the update.
struct StepDone {
    std::int64_t step = 0; ///< counted from 1
    double loss = 0.0;     ///< mean cross-entropy over the step's scored tokens, nats
    double learningRate = 0.0;
    double gradientNorm = 0.0; ///< before clipping
    std::int64_t tokens = 0;   ///< tokens read, padding excluded
    std::int64_t scoredTokens = 0;
    double seconds = 0.0;
    double tokensPerSecond = 0.0;
    double memoryBytes = 0.0;   ///< in use now (resident set on CPU, allocated on a GPU)
    double peakBytes = 0.0;     ///< highest so far
    bool fullAttention = false; ///< this step ran with full attention
    bool operator==(const StepDone&) const = default;
};

/// Loss on held-out rows, with the attention that evaluation uses (full).
struct HeldOutMeasured {
    std::int64_t step = 0;
    double loss = 0.0;
    std::int64_t tokens = 0;
    double seconds = 0.0;
    bool operator==(const HeldOutMeasured&) const = default;
};

/// The GPU that a run computes on, as its driver describes it now. What the driver does not tell is
/// 0 or not there.
struct DeviceMeasured {
    double memoryBytes = 0.0;   ///< of the device, in all
    double freeBytes = 0.0;     ///< of it, taken by nobody
    double takenBytes = 0.0;    ///< of it, taken by other programs
    std::optional<double> busy; ///< share of the last moments in which it computed, [0, 1]
    std::optional<double> celsius;
    std::optional<double> watts;
    bool operator==(const DeviceMeasured&) const = default;
};

enum class RunState { Preparing, Running, Holding, Held, Stopping, Finished };

struct StateChanged {
    RunState state = RunState::Preparing;
    std::string detail; ///< what it is doing: "reading model", "counting tokens"
    bool operator==(const StateChanged&) const = default;
};

struct CheckpointWritten {
    std::int64_t step = 0;
    std::string path; ///< relative to the run directory
    double bytes = 0.0;
    double seconds = 0.0;
    bool operator==(const CheckpointWritten&) const = default;
};

enum class MessageLevel { Info, Warning, Error };

struct Message {
    MessageLevel level = MessageLevel::Info;
    std::string text;
    bool operator==(const Message&) const = default;
};

enum class RunOutcome { Completed, Stopped, Failed };

struct RunFinished {
    RunOutcome outcome = RunOutcome::Completed;
    std::int64_t steps = 0;
    double finalLoss = 0.0;
    double seconds = 0.0;
    double tokensPerSecond = 0.0;
    double peakBytes = 0.0;
    double plannedPeakBytes = 0.0;
    std::string adapter; ///< folder of the trained adapter or model, relative to the run directory
    std::string message; ///< Failed: what and why
    std::string hint;    ///< Failed: what to do
    int exitStatus = 0;
    bool operator==(const RunFinished&) const = default;
};

using EventBody = std::variant<RunStarted, StepDone, HeldOutMeasured, StateChanged,
                               CheckpointWritten, Message, RunFinished, DeviceMeasured>;

struct Event {
    EventHeader header;
    EventBody body;
    bool operator==(const Event&) const = default;
};

} // namespace longlora
