// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/run/run_list.h"

#include "core/spec/base/error.h"
#include "core/spec/events/event_json.h"
#include "core/spec/run/run_directory.h"
#include "core/spec/text/utf8.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string_view>
#include <system_error>

namespace longlora {

namespace fs = std::filesystem;

namespace {

// A run of days has 10^6 events in 400 MB: its beginning and its end say what it was and is, single
// lines in between are enough for a picture of its losses.
constexpr std::int64_t kEdgeBytes = std::int64_t{256} << 10;
constexpr std::int64_t kProbeBytes = std::int64_t{8} << 10;
constexpr std::size_t kLossPoints = 200;

/// The events on the whole lines within [begin, end) of the file.
std::vector<Event> eventsBetween(std::ifstream& file, std::int64_t begin, std::int64_t end)
{
    std::string block(static_cast<std::size_t>(end - begin), '\0');
    file.clear();
    file.seekg(begin);
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    std::string_view rest(block.data(), static_cast<std::size_t>(file.gcount()));
    if (begin > 0) {
        const std::size_t lineEnd = rest.find('\n');
        rest.remove_prefix(lineEnd == std::string_view::npos ? rest.size() : lineEnd + 1);
    }
    std::vector<Event> events;
    for (std::size_t lineEnd = rest.find('\n'); lineEnd != std::string_view::npos;
         lineEnd = rest.find('\n')) {
        if (std::optional<Event> event = eventFromJson(rest.substr(0, lineEnd))) {
            events.push_back(std::move(*event));
        }
        rest.remove_prefix(lineEnd + 1);
    }
    return events;
}

/// Follows the events into a summary; a resumed run starts over.
struct SummaryReader {
    RunSummary& summary;
    bool finished = false;
    bool stateKnown = false;

    void operator()(const RunStarted& started)
    {
        summary.totalSteps = started.totalSteps;
        summary.plannedPeakBytes = started.plannedPeakBytes;
        finished = false;
    }
    void operator()(const StepDone& step)
    {
        summary.steps = step.step;
        summary.finalLoss = step.loss;
        summary.tokensPerSecond = step.tokensPerSecond;
        summary.peakBytes = step.peakBytes;
        // A step also ends while the run is about to hold or to stop.
        if (!stateKnown || summary.state == RunState::Preparing) {
            summary.state = RunState::Running;
        }
        finished = false;
    }
    void operator()(const StateChanged& changed)
    {
        summary.state = changed.state;
        stateKnown = true;
    }
    void operator()(const RunFinished& end)
    {
        summary.state = RunState::Finished;
        summary.outcome = end.outcome;
        summary.steps = end.steps;
        summary.finalLoss = end.finalLoss;
        summary.tokensPerSecond = end.tokensPerSecond;
        summary.seconds = end.seconds;
        summary.peakBytes = end.peakBytes;
        summary.plannedPeakBytes = end.plannedPeakBytes;
        finished = true;
    }
    void operator()(const HeldOutMeasured&) {}
    void operator()(const CheckpointWritten&) {}
    void operator()(const Message&) {}
    void operator()(const DeviceMeasured&) {}
};

void appendLosses(const std::vector<Event>& events, std::vector<double>& losses)
{
    for (const Event& event : events) {
        if (const auto* step = std::get_if<StepDone>(&event.body)) {
            losses.push_back(step->loss);
        }
    }
}

/// Every n-th so that at most kLossPoints stay, the last one always.
std::vector<double> thinned(const std::vector<double>& losses)
{
    if (losses.size() <= kLossPoints) {
        return losses;
    }
    std::vector<double> few;
    few.reserve(kLossPoints);
    for (std::size_t i = 0; i < kLossPoints; ++i) {
        few.push_back(losses[i * (losses.size() - 1) / (kLossPoints - 1)]);
    }
    return few;
}

/// One loss each from places spread evenly over the file.
std::vector<double> probedLosses(std::ifstream& file, std::int64_t size, double lastLoss)
{
    std::vector<double> losses;
    std::int64_t lastSequence = -1;
    constexpr auto kProbes = static_cast<std::int64_t>(kLossPoints) - 1;
    for (std::int64_t i = 0; i < kProbes; ++i) {
        const std::int64_t begin = size / kProbes * i;
        for (const Event& event : eventsBetween(file, begin, std::min(begin + kProbeBytes, size))) {
            const auto* step = std::get_if<StepDone>(&event.body);
            if (step != nullptr && event.header.sequence > lastSequence) {
                lastSequence = event.header.sequence;
                losses.push_back(step->loss);
                break;
            }
        }
    }
    losses.push_back(lastLoss);
    return losses;
}

void readEvents(const fs::path& eventFile, RunSummary& summary, bool& finished)
{
    std::error_code error;
    const auto size = static_cast<std::int64_t>(fs::file_size(eventFile, error));
    std::ifstream file(eventFile, std::ios::binary);
    if (error || !file) {
        return;
    }
    SummaryReader reader{summary};
    const bool small = size <= 2 * kEdgeBytes;
    const std::vector<Event> head = eventsBetween(file, 0, small ? size : kEdgeBytes);
    const std::vector<Event> tail =
        small ? std::vector<Event>() : eventsBetween(file, size - kEdgeBytes, size);
    for (const Event& event : head) {
        std::visit(reader, event.body);
    }
    // What the head said about the state is long past.
    reader.stateKnown = reader.stateKnown && small;
    summary.state = small ? summary.state : RunState::Running;
    for (const Event& event : tail) {
        std::visit(reader, event.body);
    }
    finished = reader.finished;
    if (!head.empty()) {
        summary.started = head.front().header.time;
        const Event& last = tail.empty() ? head.back() : tail.back();
        summary.seconds = finished ? summary.seconds : last.header.time - summary.started;
    }
    if (small) {
        appendLosses(head, summary.losses);
        summary.losses = thinned(summary.losses);
    } else {
        summary.losses = probedLosses(file, size, summary.finalLoss);
    }
}

double writtenAt(const fs::path& file)
{
    std::error_code error;
    const auto time = fs::last_write_time(file, error);
    const auto age = fs::file_time_type::clock::now() - time;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return error ? 0.0 : std::chrono::duration<double>(now - age).count();
}

/// What of a run's name can stand in a file name on any system: no separators, no control
/// characters, no leading dot or dash, at most 80 bytes of whole characters.
std::string fileNamePart(std::string_view name)
{
    constexpr std::size_t kLimit = 80;
    constexpr std::string_view kAllowed = "._-+=@";
    std::string part;
    for (std::size_t i = 0; i < name.size() && part.size() < kLimit;) {
        const std::size_t length = utf8CharacterLength(name, i);
        const auto byte = static_cast<unsigned char>(name[i]);
        const bool letter = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= 'a' && byte <= 'z');
        if (letter || length > 1 || kAllowed.find(name[i]) != std::string_view::npos) {
            part += name.substr(i, length);
        } else if (!part.ends_with('-')) {
            part += '-';
        }
        i += std::max<std::size_t>(length, 1);
    }
    const std::size_t begin = part.find_first_not_of(".-");
    const std::size_t end = part.find_last_not_of(".-");
    return begin == std::string::npos ? "run" : part.substr(begin, end - begin + 1);
}

} // namespace

RunSummary summarizeRun(const fs::path& folder)
{
    const RunDirectory run = RunDirectory::open(folder);
    const RunConfig config = run.readConfig();
    RunSummary summary;
    summary.folder = folder;
    summary.name = config.runName.empty() ? folder.filename().string() : config.runName;
    summary.model = config.model;
    summary.contextLength = config.context.length;
    summary.totalSteps = config.schedule.steps;
    summary.started = writtenAt(folder / "run.json");

    // Asked first: a run that ends between the two questions is then finished, not interrupted.
    const bool running = RunLock::isHeld(run);
    bool finished = false;
    readEvents(run.eventFile(), summary, finished);
    if (!finished && !running) {
        summary.state = RunState::Finished;
        summary.outcome = RunOutcome::Failed;
        summary.interrupted = true;
    }
    return summary;
}

std::vector<RunSummary> listRuns(const fs::path& folder)
{
    std::vector<RunSummary> runs;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        if (!RunDirectory::holdsRun(entry->path())) {
            continue;
        }
        try {
            runs.push_back(summarizeRun(entry->path()));
        } catch (const Error&) {
            // Somebody else's run.json, or one that cannot be read: not a line of the table.
        }
    }
    std::ranges::sort(runs, [](const RunSummary& a, const RunSummary& b) {
        return a.started != b.started ? a.started > b.started : a.folder > b.folder;
    });
    return runs;
}

fs::path defaultRunsFolder()
{
    const char* data = std::getenv("XDG_DATA_HOME");
    if (data != nullptr && fs::path(data).is_absolute()) {
        return fs::path(data) / "longlora-workbench" / "runs";
    }
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') {
        const passwd* user = ::getpwuid(::getuid());
        home = user != nullptr ? user->pw_dir : ".";
    }
    return fs::path(home) / ".local" / "share" / "longlora-workbench" / "runs";
}

fs::path newRunFolder(const fs::path& parent, const std::string& name)
{
    const std::time_t now = std::time(nullptr);
    const std::string base =
        fmt::format("{:%Y-%m-%d-%H%M%S}-{}", fmt::localtime(now), fileNamePart(name));
    fs::path folder = parent / base;
    for (int copy = 2; fs::exists(folder); ++copy) {
        folder = parent / fmt::format("{}-{}", base, copy);
    }
    return folder;
}

} // namespace longlora
