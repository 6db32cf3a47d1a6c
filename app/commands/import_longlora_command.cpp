// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "core/engine/checkpoint/longlora_artifacts.h"
#include "core/spec/base/units.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace longlora::app {

namespace {

struct LongLoraOptions {
    std::string folder, output, base;
    std::optional<std::int64_t> context;
    double ropeFactor = 0.0;
};

ExitStatus importFromLongLora(const LongLoraOptions& options, Console& console)
{
    const LongLoraReport report = importLongLora({options.folder, options.output, options.base,
                                                  options.context.value_or(0), options.ropeFactor});
    console.print(options.output);
    console.print(fmt::format("{} low-rank pairs and {} whole weights, {}",
                              formatCount(report.pairs), formatCount(report.wholeWeights),
                              formatBytes(report.bytes)));
    console.print(report.base.empty()
                      ? std::string("not checked against a base model: none is here")
                      : "fits " + report.base);
    if (report.rope.empty()) {
        console.note(
            "LongLoRA's files do not say how far the context was extended, so the adapter "
            "uses the base's rotary embedding as it is. If it was trained on a longer one, "
            "import it again with --context N or --rope-factor F.");
    } else {
        console.print(fmt::format("rope {}, context {} tokens", report.rope,
                                  formatCount(report.contextLength)));
    }
    using Json = nlohmann::ordered_json;
    console.finish(Json{
        {"out", options.output},
        {"tensors", 2 * report.pairs + report.wholeWeights},
        {"bytes", report.bytes},
        {"base", report.base.empty() ? Json() : Json(report.base)},
        {"vocabulary", report.vocabulary > 0 ? Json(report.vocabulary) : Json()},
        {"rope", report.rope.empty() ? Json() : Json(report.rope)},
        {"context", report.contextLength > 0 ? Json(report.contextLength) : Json()},
    }
                       .dump());
    return ExitStatus::Done;
}

} // namespace

void addLongLoraImport(CLI::App& parent, Action& chosen)
{
    constexpr std::int64_t kMaxContext = std::int64_t{1} << 30;
    constexpr double kMaxFactor = 10'000.0;
    const auto options = std::make_shared<LongLoraOptions>();
    CLI::App* command = addCommand(
        parent, chosen, "longlora", "adapter_model.bin and trainable_params.bin to a PEFT adapter",
        [options](Console& console) { return importFromLongLora(*options, console); });
    addText(*command, {"--folder", "DIR", "adapter as LongLoRA's repository saves it"},
            options->folder)
        ->required();
    addText(*command, {"--out", "DIR", "new folder for the adapter"}, options->output)->required();
    addText(
        *command,
        {"--base", "DIR", "model it was trained on, default what the adapter names if it is here"},
        options->base);
    CLI::Option* context = addInteger(
        *command, {"--context", "N", "tokens it was trained on, which the files do not say"},
        options->context, {1, kMaxContext});
    addReal(*command, {"--rope-factor", "F", "the same as a factor of linear interpolation"},
            options->ropeFactor, {1.0, kMaxFactor})
        ->excludes(context);
}

} // namespace longlora::app
