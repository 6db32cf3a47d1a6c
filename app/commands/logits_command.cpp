// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/model_options.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "core/engine/checkpoint/safetensors.h"
#include "core/engine/model/forward.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/run_config_enums.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace longlora::app {

namespace {

struct LogitsOptions {
    ModelOptions model;
    std::string ids, output;
    std::string attention = "full";
    std::optional<std::int64_t> group;
    std::string edge = "clipped";
};

AttentionSpec attentionSpec(const LogitsOptions& options, std::int64_t length)
{
    AttentionConfig config;
    config.kind = enumFromName<AttentionKind>(options.attention).value();
    config.group = options.group;
    config.edge = enumFromName<GroupEdge>(options.edge).value();
    return {config.kind, groupSize(config, length), config.edge};
}

ExitStatus logits(const LogitsOptions& options, Console& console)
{
    const StopSignals signals;
    const LoadedModel model = loadModel(options.model, signals.progress(console));
    const DecoderModel& decoder = model.decoder();
    const std::vector<TokenId> ids = readIds(options.ids, decoder.embedTokens.size(0));
    const c10::NoGradGuard noGradients;
    const at::Tensor input = at::tensor(ids, at::TensorOptions().dtype(at::kInt))
                                 .to(decoder.device(), at::kLong)
                                 .unsqueeze(0);
    const AttentionSpec attention = attentionSpec(options, std::ssize(ids));
    const at::Tensor result =
        forwardLogits(decoder, input, attention).squeeze(0).to(at::kCPU, at::kFloat).contiguous();
    writeSafetensors(options.output, {{"logits", result}});
    console.print(
        fmt::format("{}: logits [{}, {}]", options.output, result.size(0), result.size(1)));
    console.finish(nlohmann::ordered_json{{"shape", result.sizes().vec()}}.dump());
    return ExitStatus::Done;
}

} // namespace

void addLogitsCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<LogitsOptions>();
    options->model.dtype = "fp32";
    CLI::App* command =
        addCommand(parent, chosen, "logits", "raw logits of a list of token ids",
                   [options](Console& console) { return logits(*options, console); });
    addModelOptions(*command, options->model);
    addText(*command, {"--ids", "FILE", "JSON array of token ids, nothing is added"}, options->ids)
        ->required();
    addText(*command, {"--out", "FILE", "safetensors file: tensor logits [seq, vocabulary], fp32"},
            options->output)
        ->required();
    addChoice(*command, {"--attention", "KIND", "attention to compute with"},
              kEnumNames<AttentionKind>, options->attention);
    addInteger(*command,
               {"--group", "N", "tokens in a group of s2, a quarter of the ids if not given"},
               options->group, {2, 16777216});
    addChoice(*command, {"--edge", "EDGE", "group edge of s2"}, kEnumNames<GroupEdge>,
              options->edge);
}

} // namespace longlora::app
