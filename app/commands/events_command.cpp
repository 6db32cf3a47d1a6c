// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "core/spec/events/event_file.h"
#include "core/spec/events/event_json.h"
#include "core/spec/run/run_directory.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <memory>
#include <thread>

namespace longlora::app {

namespace {

constexpr std::chrono::milliseconds kPoll{100};

struct EventsOptions {
    std::string run;
    bool follow = false;
};

/// Prints what arrived; whether the run said that it is finished.
bool printNew(EventFileSource& source, Console& console)
{
    bool finished = false;
    while (true) {
        const std::vector<Event> events = source.drain();
        for (const Event& event : events) {
            console.print(eventToJson(event));
            finished = std::holds_alternative<RunFinished>(event.body);
        }
        if (events.empty() || source.atEnd()) {
            return finished;
        }
    }
}

ExitStatus events(const EventsOptions& options, Console& console)
{
    const RunDirectory run = RunDirectory::open(options.run);
    EventFileSource source(run.eventFile());
    bool finished = printNew(source, console);
    const StopSignals signals;
    while (options.follow && !finished && !signals.stopRequested()) {
        // Asked before reading: what a process wrote before it ended is read after it ended.
        const bool alive = RunLock::isHeld(run);
        finished = printNew(source, console) || !alive;
        if (!finished) {
            std::this_thread::sleep_for(kPoll);
        }
    }
    return ExitStatus::Done;
}

} // namespace

void addEventsCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<EventsOptions>();
    CLI::App* command = addCommand(
        parent, chosen, "events", "prints a run's events, one JSON object per line",
        [options](Console& console) { return events(*options, console); }, JsonOutput::Absent);
    addText(*command, {"DIR", "", "folder of the run"}, options->run)->required();
    addFlag(*command, "--follow", "goes on until the run ends", options->follow);
}

} // namespace longlora::app
