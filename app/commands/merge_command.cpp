// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/command.h"
#include "app/commands/console.h"
#include "app/commands/options.h"
#include "app/commands/stop_signals.h"
#include "core/engine/checkpoint/merge.h"
#include "core/spec/base/units.h"
#include "core/spec/config/huggingface_cache.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <memory>

namespace longlora::app {

namespace {

constexpr std::array<std::string_view, 5> kDtypes = {"auto", "fp32", "bf16", "f16", "q8_0"};
constexpr std::array<std::string_view, 2> kFormats = {"safetensors", "gguf"};
constexpr std::array<std::string_view, 2> kPositions = {"original", "trained"};

struct MergeOptions {
    std::string base, adapter, output;
    std::string dtype = "auto";
    std::string format = "safetensors";
    std::string positions = "original";
    std::string maxShardSize = "5GB";
    bool skipVerification = false;
    bool replace = false;
};

MergeRequest requestOf(const MergeOptions& options)
{
    MergeRequest request;
    request.base = resolveModelFolder(options.base);
    request.adapter = options.adapter;
    request.output = options.output;
    request.dtype = options.dtype;
    request.verify = !options.skipVerification;
    request.format = options.format == "gguf" ? MergeFormat::Gguf : MergeFormat::Safetensors;
    request.positions =
        options.positions == "trained" ? PositionLimit::TrainedLength : PositionLimit::Original;
    request.maxShardBytes = parseBytes("--max-shard-size", options.maxShardSize);
    request.replace = options.replace;
    return request;
}

/// What merging into weights in full changes of an adapter that was trained over 4 bits.
void printDrift(Console& console, const MergeReport& report)
{
    if (!report.drift) {
        return;
    }
    const QuantizationDrift& drift = *report.drift;
    console.print(fmt::format(
        "trained over a base in 4 bits, merged into its full weights: from what was trained logits "
        "differ by at most {:.3g}, {:.3g} on average; the most likely token agrees at {} "
        "positions; perplexity on that text {:.4g}, merged {:.4g}",
        drift.maxAbsLogitError, drift.meanAbsLogitError, formatCount(drift.sameTopToken),
        drift.trainedPerplexity, drift.mergedPerplexity));
}

nlohmann::ordered_json toJson(const std::optional<QuantizationDrift>& drift)
{
    return drift ? nlohmann::ordered_json{{"max_abs_logit_error", drift->maxAbsLogitError},
                                          {"mean_abs_logit_error", drift->meanAbsLogitError},
                                          {"same_top_token", drift->sameTopToken},
                                          {"trained_perplexity", drift->trainedPerplexity},
                                          {"merged_perplexity", drift->mergedPerplexity}}
                 : nlohmann::ordered_json();
}

void printReport(Console& console, const MergeReport& report, const std::string& output)
{
    console.print(output);
    console.print(fmt::format("{} tensors, {} of them changed; {} as {} in {} file{}; rope {}",
                              formatCount(report.tensors), formatCount(report.mergedTensors),
                              formatBytes(report.bytes), report.dtype, report.files,
                              report.files == 1 ? "" : "s", report.rope));
    if (!report.replaced.empty()) {
        console.print(fmt::format("the older output ({}) is kept as {}",
                                  formatBytes(report.replacedBytes), report.replaced.string()));
    }
    if (report.verified) {
        console.print(fmt::format(
            "verified on {} tokens: logits differ by at most {:.3g}, {:.3g} on average, where the "
            "largest logit is {:.3g}; the most likely token agrees at {} positions",
            formatCount(report.comparedTokens), report.maxAbsLogitError, report.meanAbsLogitError,
            report.maxAbsLogit, formatCount(report.sameTopToken)));
        printDrift(console, report);
    } else {
        console.print("not verified");
    }
}

/// An error that was not measured is null, not 0.
nlohmann::ordered_json measured(const MergeReport& report, double error)
{
    return report.verified ? nlohmann::ordered_json(error) : nlohmann::ordered_json();
}

ExitStatus merge(const MergeOptions& options, Console& console)
{
    const StopSignals signals;
    const MergeReport report = mergeAdapter(requestOf(options), signals.progress(console));
    printReport(console, report, options.output);
    console.finish(nlohmann::ordered_json{
        {"out", options.output},
        {"max_abs_logit_error", measured(report, report.maxAbsLogitError)},
        {"mean_abs_logit_error", measured(report, report.meanAbsLogitError)},
        {"max_abs_logit", measured(report, report.maxAbsLogit)},
        {"same_top_token", report.sameTopToken},
        {"compared_tokens", report.comparedTokens},
        {"drift", toJson(report.drift)},
        {"verified", report.verified},
        {"tensors", report.tensors},
        {"merged_tensors", report.mergedTensors},
        {"bytes", report.bytes},
        {"files", report.files},
        {"reread_equal", report.rereadEqual},
        {"dtype", report.dtype},
        {"rope", report.rope},
        {"replaced", report.replaced.empty() ? nlohmann::ordered_json()
                                             : nlohmann::ordered_json(report.replaced.string())},
        {"merge_seconds", report.mergeSeconds},
        {"seconds", report.seconds},
    }
                       .dump());
    return ExitStatus::Done;
}

} // namespace

void addMergeCommand(CLI::App& parent, Action& chosen)
{
    const auto options = std::make_shared<MergeOptions>();
    CLI::App* command =
        addCommand(parent, chosen, "merge", "base and adapter to one model, verified",
                   [options](Console& console) { return merge(*options, console); });
    addText(*command, {"--base", "DIR", "model the adapter was trained on"}, options->base)
        ->required();
    addText(*command, {"--adapter", "DIR", "PEFT adapter"}, options->adapter)->required();
    addText(*command, {"--out", "DIR", "new folder for the merged model, or FILE.gguf"},
            options->output)
        ->required();
    addChoice(*command, {"--format", "KIND", "a Hugging Face folder or a file for llama.cpp"},
              kFormats, options->format);
    addChoice(*command, {"--dtype", "TYPE", "how weights are stored, auto is as in the base"},
              kDtypes, options->dtype);
    addText(*command,
            {"--max-shard-size", "BYTES", "weights above this are divided among several files"},
            options->maxShardSize);
    addChoice(*command,
              {"--positions", "KIND",
               "max_position_embeddings under a linear factor: the base's own, as LongLoRA leaves "
               "it, or the trained length"},
              kPositions, options->positions);
    addFlag(*command, "--no-verify", "skips the comparison with the unmerged model",
            options->skipVerification);
    addFlag(*command, "--replace", "an existing output is kept beside the new one as NAME.replaced",
            options->replace);
}

} // namespace longlora::app
