// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "core/engine/attention/self_check.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <memory>

namespace longlora::app {

namespace {

constexpr std::array<std::string_view, 4> kDevices = {"auto", "cpu", "cuda", "cuda:0"};

DeviceKind deviceKind(const std::string& name)
{
    if (name == "auto") {
        return DeviceKind::Auto;
    }
    return name == "cpu" ? DeviceKind::Cpu : DeviceKind::Cuda;
}

ExitStatus selfCheck(const std::string& device, Console& console)
{
    const std::vector<SelfCheckCase> cases = runSelfCheck(deviceKind(device));
    auto list = nlohmann::ordered_json::array();
    for (const SelfCheckCase& one : cases) {
        console.print(fmt::format("{}  {}: error {:.3g}, tolerance {:.3g}",
                                  one.passed ? "pass" : "FAIL", one.name, one.error,
                                  one.tolerance));
        list.push_back({{"name", one.name},
                        {"error", one.error},
                        {"tolerance", one.tolerance},
                        {"passed", one.passed}});
    }
    const auto failed =
        std::count_if(cases.begin(), cases.end(), [](const auto& one) { return !one.passed; });
    console.print(fmt::format("{} of {} checks passed", std::ssize(cases) - failed, cases.size()));
    console.finish(
        nlohmann::ordered_json{{"passed", failed == 0}, {"cases", std::move(list)}}.dump());
    if (failed > 0) {
        console.note(fmt::format("longlora: {} of {} checks failed on this device. Do not trust "
                                 "what it computes; please report it with this output.",
                                 failed, cases.size()));
        return ExitStatus::Bug;
    }
    return ExitStatus::Done;
}

} // namespace

void addSelfCheckCommand(CLI::App& parent, Action& chosen)
{
    const auto device = std::make_shared<std::string>("auto");
    CLI::App* command =
        addCommand(parent, chosen, "self-check", "S2-Attn against a dense oracle, on this device",
                   [device](Console& console) { return selfCheck(*device, console); });
    addChoice(*command, {"--device", "DEVICE", "where to compute"}, kDevices, *device);
}

} // namespace longlora::app
