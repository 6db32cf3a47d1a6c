// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/held_out_tokens.h"
#include "app/commands/model_options.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "core/engine/evaluate/perplexity.h"
#include "core/spec/base/units.h"
#include "core/spec/config/run_config_enums.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <memory>

namespace longlora::app {

namespace {

constexpr std::array<std::string_view, 2> kRules = {"sliding", "paper"};
constexpr IntegerRange kTokens{2, 16777216};

struct PerplexityCommandOptions {
    ModelOptions model;
    std::string data;
    std::vector<std::int64_t> contexts;
    std::string rule = "sliding";
    std::string attention = "full";
    std::string kv = "auto";
    PerplexityOptions perplexity;
};

ExitStatus evaluate(const PerplexityCommandOptions& options, Console& console)
{
    const StopSignals signals;
    const LoadedModel model = loadModel(options.model, signals.progress(console));
    const std::vector<TokenId> tokens =
        readHeldOutTokens(options.data, model, signals.progress(console));
    PerplexityOptions one = options.perplexity;
    one.rule = options.rule == "paper" ? PerplexityRule::Paper : PerplexityRule::Sliding;
    one.attention = enumFromName<AttentionKind>(options.attention).value();
    one.cache = kvFormat(options.kv);
    auto results = nlohmann::ordered_json::array();
    for (const std::int64_t context : options.contexts) {
        one.context = context;
        const PerplexityResult result =
            evaluatePerplexity(model, tokens, one, signals.progress(console));
        console.print(fmt::format("context {:>10}: perplexity {:.6g} ({} tokens in {} windows, "
                                  "rule {}, stride {}, attention {}, kv {})",
                                  formatCount(result.context), result.perplexity,
                                  formatCount(result.tokens), formatCount(result.windows),
                                  options.rule, one.stride, options.attention, options.kv));
        results.push_back({{"context", result.context},
                           {"perplexity", result.perplexity},
                           {"tokens", result.tokens},
                           {"windows", result.windows}});
    }
    console.finish(nlohmann::ordered_json{{"rule", options.rule},
                                          {"stride", one.stride},
                                          {"attention", options.attention},
                                          {"kv", options.kv},
                                          {"results", std::move(results)}}
                       .dump());
    return ExitStatus::Done;
}

} // namespace

void addEvaluatePerplexityCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<PerplexityCommandOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "perplexity", "perplexity of held-out text",
                   [options](Console& console) { return evaluate(*options, console); });
    addModelOptions(*command, options->model);
    addText(*command,
            {"--data", "FILE", "held-out text, JSONL, or token ids (.bin: uint16 or uint32)"},
            options->data)
        ->required();
    addIntegers(*command, {"--context", "N[,N...]", "tokens in a window"}, options->contexts,
                kTokens)
        ->required();
    addChoice(*command, {"--rule", "RULE", "which tokens a window scores"}, kRules, options->rule);
    addInteger(*command, {"--stride", "N", "tokens from one window to the next"},
               options->perplexity.stride, {1, kTokens.maximum});
    addChoice(*command, {"--attention", "KIND", "attention to measure with"},
              kEnumNames<AttentionKind>, options->attention);
    addInteger(*command,
               {"--group", "N", "tokens in a group of s2, a quarter of the context if not given"},
               options->perplexity.group, kTokens);
    addKvOption(*command, options->kv);
    addInteger(*command, {"--max-windows", "N", "windows to measure at most, 0 for all"},
               options->perplexity.maxWindows, {0, 1000000000});
}

} // namespace longlora::app
