// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "core/spec/events/event_file.h"
#include "core/spec/events/event_json.h"
#include "core/spec/run/run_directory.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <thread>

namespace longlora::app {

namespace {

constexpr std::chrono::milliseconds kPoll{50};
constexpr std::array<std::string_view, 4> kVerbs = {"hold", "resume", "checkpoint", "stop"};

struct ControlOptions {
    std::string run;
    std::string verb;
    double wait = 5.0;
};

/// Follows a run's events: in which state it is, and whether it obeyed.
class StateWatch {
public:
    StateWatch(const RunDirectory& run, ControlRequest request)
        : m_source(run.eventFile())
        , m_request(request)
    {
        read();
        m_obeyed = isWanted(m_state); // by now; what happened before the request is past
    }

    void read()
    {
        do {
            take(m_source.drain());
        } while (!m_source.atEnd());
    }
    bool obeyed() const { return m_obeyed; }
    const std::string& state() const { return m_state; }

private:
    void take(const std::vector<Event>& events)
    {
        for (const Event& event : events) {
            if (std::holds_alternative<StateChanged>(event.body)) {
                m_state = nlohmann::json::parse(eventToJson(event)).at("state");
                m_obeyed = isWanted(m_state);
            } else if (std::holds_alternative<CheckpointWritten>(event.body)) {
                m_obeyed = m_obeyed || m_request == ControlRequest::Checkpoint;
            } else if (std::holds_alternative<RunFinished>(event.body)) {
                m_obeyed = true;
            }
        }
    }
    bool isWanted(const std::string& state) const
    {
        return (m_request == ControlRequest::Hold && state == "held") ||
               (m_request == ControlRequest::Resume && state == "running") || state == "finished";
    }

    EventFileSource m_source;
    ControlRequest m_request;
    std::string m_state = "preparing";
    bool m_obeyed = false;
};

ExitStatus control(const ControlOptions& options, Console& console)
{
    const RunDirectory run = RunDirectory::open(options.run);
    const ControlRequest request = controlRequestFromName(options.verb).value();
    StateWatch watch(run, request);
    run.postControl(request);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options.wait);
    while (!watch.obeyed() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(kPoll);
        watch.read();
    }
    console.print(watch.obeyed() ? watch.state()
                                 : watch.state() + " (it obeys after its present step)");
    console.finish(
        nlohmann::ordered_json{{"state", watch.state()}, {"obeyed", watch.obeyed()}}.dump());
    return ExitStatus::Done;
}

} // namespace

void addControlCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<ControlOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "control", "commands a running run",
                   [options](Console& console) { return control(*options, console); });
    addText(*command, {"DIR", "", "folder of the run"}, options->run)->required();
    addChoice(*command, {"REQUEST", "", ""}, kVerbs, options->verb)->required();
    addReal(*command, {"--wait", "S", "seconds to wait until the run obeys"}, options->wait,
            {0.0, 86400.0});
}

} // namespace longlora::app
