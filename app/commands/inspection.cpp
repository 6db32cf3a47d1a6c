// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/inspection.h"

#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/safetensors.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/run/run_directory.h"
#include "core/spec/run/run_list.h"
#include "core/spec/text/tokenizer.h"
#include "core/spec/text/utf8.h"

#include <ATen/Tensor.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

/// More would only repeat the first.
constexpr std::size_t kMostProblems = 20;

/// Does `work`; what it throws becomes a problem.
void collect(Inspection& result, const std::function<void()>& work)
{
    try {
        work();
    } catch (const Error& error) {
        if (result.problems.size() < kMostProblems) {
            result.problems.push_back(error.describe());
        }
    }
}

void tell(const ProgressCallback& progress, std::int64_t done, std::int64_t total)
{
    if (progress && !progress({"checking weights", done, total, "tensors"})) {
        throw Cancelled{};
    }
}

void inspectTokenizer(Inspection& result, const fs::path& folder)
{
    if (!fs::exists(folder / "tokenizer.model")) {
        result.facts.emplace_back("tokenizer", fs::exists(folder / "tokenizer.json")
                                                   ? "tokenizer.json, not read by this version"
                                                   : "none: text cannot be read or written");
        return;
    }
    collect(result, [&] {
        result.facts.emplace_back(
            "tokenizer",
            fmt::format("sentencepiece, {} tokens", loadTokenizer(folder)->vocabularySize()));
    });
}

void inspectWeights(Inspection& result, const fs::path& folder, const ModelConfig& config,
                    const ProgressCallback& progress)
{
    const WeightFiles files = WeightFiles::open(folder, config);
    result.facts.emplace_back("weight_bytes", files.totalBytes());
    const std::vector<WeightShape> shapes = weightShapes(config);
    std::int64_t done = 0;
    for (const WeightShape& shape : shapes) {
        tell(progress, done++, std::ssize(shapes));
        collect(result,
                [&] { requireFinite(files.tensor(shape.name), shape.name, folder.string()); });
    }
}

void inspectModel(Inspection& result, const fs::path& folder, const ProgressCallback& progress)
{
    result.kind = "model";
    collect(result, [&] {
        const ModelConfig config = readModelConfig(folder);
        result.facts = {
            {"architecture", config.architecture},
            {"parameters", config.parameterCount()},
            {"layers", config.layerCount},
            {"hidden_size", config.hiddenSize},
            {"intermediate_size", config.intermediateSize},
            {"heads", config.headCount},
            {"kv_heads", config.kvHeadCount},
            {"head_dim", config.headDim},
            {"vocabulary", config.vocabularySize},
            {"context", config.contextLength()},
            {"rope", describeRope(config.rope)},
            {"dtype", config.storedDtype},
            {"tied_embeddings", config.tiedEmbeddings},
        };
        inspectWeights(result, folder, config, progress);
    });
    inspectTokenizer(result, folder);
}

void inspectAdapter(Inspection& result, const fs::path& folder)
{
    result.kind = "adapter";
    collect(result, [&] {
        const Adapter adapter = readAdapter(folder);
        std::set<std::int64_t> ranks;
        for (const auto& [name, pair] : adapter.pairs) {
            ranks.insert(pair.a.size(0));
        }
        result.facts = {{"base_model", adapter.baseModel},
                        {"low_rank_pairs", std::ssize(adapter.pairs)},
                        {"smallest_rank", ranks.empty() ? std::int64_t{0} : *ranks.begin()},
                        {"largest_rank", ranks.empty() ? std::int64_t{0} : *ranks.rbegin()},
                        {"whole_weights", std::ssize(adapter.replaced)}};
        if (adapter.origin) {
            result.facts.emplace_back("context", adapter.origin->contextLength);
            result.facts.emplace_back("rope", describeRope(adapter.origin->rope));
            result.facts.emplace_back("base_rope", describeRope(adapter.origin->baseRope));
        }
    });
}

std::string outcomeName(const RunSummary& run)
{
    if (run.interrupted) {
        return "interrupted";
    }
    if (run.state != RunState::Finished) {
        return "running";
    }
    return run.outcome == RunOutcome::Completed ? "completed"
           : run.outcome == RunOutcome::Stopped ? "stopped"
                                                : "failed";
}

void inspectRun(Inspection& result, const fs::path& folder)
{
    result.kind = "run";
    collect(result, [&] {
        const RunSummary run = summarizeRun(folder);
        const RunDirectory directory = RunDirectory::open(folder);
        const std::vector<std::int64_t> checkpoints = directory.checkpointSteps();
        result.facts = {{"name", run.name},
                        {"model", run.model},
                        {"context", run.contextLength},
                        {"outcome", outcomeName(run)},
                        {"steps", run.steps},
                        {"total_steps", run.totalSteps},
                        {"final_loss", run.finalLoss},
                        {"seconds", run.seconds},
                        {"tokens_per_second", run.tokensPerSecond},
                        {"peak_bytes", run.peakBytes},
                        {"planned_peak_bytes", run.plannedPeakBytes},
                        {"checkpoints", std::ssize(checkpoints)},
                        {"result", fs::exists(directory.resultFolder())
                                       ? directory.resultFolder().string()
                                       : std::string()}};
        if (run.interrupted) {
            result.problems.push_back("its process ended without saying that the run finished");
        }
        if (!fs::is_directory(run.model)) {
            result.problems.push_back("its model is no longer at " + run.model);
        }
    });
}

void inspectSafetensors(Inspection& result, const fs::path& file, const ProgressCallback& progress)
{
    result.kind = "safetensors";
    collect(result, [&] {
        const SafetensorsFile tensors = SafetensorsFile::open(file);
        std::int64_t numbers = 0;
        std::int64_t done = 0;
        for (const auto& [name, entry] : tensors.entries()) {
            tell(progress, done++, std::ssize(tensors.entries()));
            const at::Tensor tensor = tensors.tensor(name);
            numbers += tensor.numel();
            if (tensor.is_floating_point()) {
                collect(result, [&] { requireFinite(tensor, name, file.string()); });
            }
        }
        result.facts = {{"tensors", std::ssize(tensors.entries())},
                        {"numbers", numbers},
                        {"bytes", static_cast<std::int64_t>(fs::file_size(file))}};
    });
}

/// Ids of 16 or 32 bits look alike; both counts are told.
void inspectTokenFile(Inspection& result, const fs::path& file)
{
    result.kind = "token file";
    const auto bytes = static_cast<std::int64_t>(fs::file_size(file));
    result.facts = {{"bytes", bytes}, {"ids_if_uint16", bytes / 2}, {"ids_if_uint32", bytes / 4}};
    if (bytes == 0) {
        result.problems.push_back(file.string() + " is empty");
    } else if (bytes % 2 != 0) {
        result.problems.push_back(file.string() +
                                  " has an odd number of bytes: its end is missing");
    }
}

void inspectText(Inspection& result, const fs::path& file)
{
    result.kind = "text";
    collect(result, [&] {
        const std::string text = readWholeFile(file, std::uintmax_t{1} << 30);
        result.facts = {{"bytes", std::ssize(text)},
                        {"lines", std::count(text.begin(), text.end(), '\n')}};
        if (text.empty()) {
            throw DataError(file.string() + " is empty");
        }
        if (const auto offset = firstInvalidUtf8(text)) {
            throw DataError(
                fmt::format("{}, offset {}: the text is not UTF-8", file.string(), *offset));
        }
    });
}

void inspectFolder(Inspection& result, const fs::path& folder, const ProgressCallback& progress)
{
    if (RunDirectory::holdsRun(folder)) {
        inspectRun(result, folder);
    } else if (fs::exists(folder / "adapter_config.json")) {
        inspectAdapter(result, folder);
    } else if (fs::exists(folder / "config.json") || fs::exists(folder / "model.safetensors")) {
        inspectModel(result, folder, progress);
    } else {
        throw DataError(folder.string() + " is neither a model (config.json), an adapter "
                                          "(adapter_config.json) nor a run (run.json)");
    }
}

} // namespace

Inspection inspect(const std::string& folderOrFile, const ProgressCallback& progress)
{
    Inspection result;
    const fs::path path =
        fs::exists(folderOrFile) ? fs::path(folderOrFile) : resolveModelFolder(folderOrFile);
    const std::string ending = path.extension().string();
    if (fs::is_directory(path)) {
        inspectFolder(result, path, progress);
    } else if (ending == ".safetensors") {
        inspectSafetensors(result, path, progress);
    } else if (ending == ".bin") {
        inspectTokenFile(result, path);
    } else if (ending == ".txt" || ending == ".md" || ending == ".jsonl") {
        inspectText(result, path);
    } else {
        throw DataError(path.string() + " is of no kind that this program reads",
                        "It reads folders, .safetensors, .bin, .txt, .md and .jsonl files.");
    }
    return result;
}

} // namespace longlora::app
