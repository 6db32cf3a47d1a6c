// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/inspection.h"

#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/gguf/gguf_inspection.h"
#include "core/engine/checkpoint/tensor_file.h"
#include "core/spec/base/error.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/inspect/adapter_base.h"
#include "core/spec/inspect/file_inspection.h"
#include "core/spec/inspect/model_card.h"
#include "core/spec/inspect/path_kind.h"
#include "core/spec/run/run_directory.h"
#include "core/spec/run/run_list.h"

#include <ATen/Tensor.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>

namespace longlora::app {

namespace fs = std::filesystem;

namespace {

void tell(const ProgressCallback& progress, std::int64_t done, std::int64_t total)
{
    if (progress && !progress({"checking weights", done, total, "tensors"})) {
        throw Cancelled{};
    }
}

/// Every number of every weight.
void inspectWeights(Inspection& result, const fs::path& folder, const ModelConfig& config,
                    const ProgressCallback& progress)
{
    const WeightFiles files = WeightFiles::open(folder, config);
    const std::vector<WeightShape> shapes = weightShapes(config);
    std::int64_t done = 0;
    for (const WeightShape& shape : shapes) {
        tell(progress, done++, std::ssize(shapes));
        result.collect(
            [&] { requireFinite(files.tensor(shape.name), shape.name, folder.string()); });
    }
}

Inspection inspectModel(const fs::path& folder, const ProgressCallback& progress)
{
    const ModelCard card = readModelCard(folder);
    Inspection result = inspectionOf(card);
    if (card.config && card.weights.isComplete()) {
        result.collect([&] { inspectWeights(result, folder, *card.config, progress); });
    }
    return result;
}

Inspection inspectAdapter(const fs::path& folder)
{
    Inspection result;
    result.kind = "adapter";
    result.add("base_model", namedBase(folder));
    const std::optional<fs::path> base = findNamedBase(folder);
    result.add("base_found", base ? base->string() : std::string());
    if (!base) {
        result.warnings.push_back("its base model is not on this machine under that name: name the "
                                  "folder when you use the adapter");
    }
    result.collect([&] {
        const Adapter adapter = readAdapter(folder);
        std::set<std::int64_t> ranks;
        for (const auto& [name, pair] : adapter.pairs) {
            ranks.insert(pair.a.size(0));
        }
        result.add("low_rank_pairs", std::ssize(adapter.pairs));
        result.add("smallest_rank", ranks.empty() ? std::int64_t{0} : *ranks.begin());
        result.add("largest_rank", ranks.empty() ? std::int64_t{0} : *ranks.rbegin());
        result.add("whole_weights", std::ssize(adapter.replaced));
        if (!adapter.unknownKeys.empty()) {
            result.add("ignored_keys", fmt::format("{}", fmt::join(adapter.unknownKeys, ", ")));
        }
        if (adapter.origin) {
            result.add("context", adapter.origin->contextLength);
            result.add("rope", describeRope(adapter.origin->rope));
            result.add("base_rope", describeRope(adapter.origin->baseRope));
        }
    });
    return result;
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

Inspection inspectRun(const fs::path& folder)
{
    Inspection result;
    result.kind = "run";
    result.collect([&] {
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
    return result;
}

/// Every number of a file of tensors.
Inspection inspectTensors(const fs::path& file, std::string kind, const ProgressCallback& progress)
{
    Inspection result;
    result.kind = std::move(kind);
    result.collect([&] {
        const TensorFile tensors = TensorFile::open(file);
        std::map<std::string, std::int64_t> numbersOf; // by dtype
        std::int64_t numbers = 0;
        std::int64_t done = 0;
        for (const auto& [name, entry] : tensors.entries()) {
            tell(progress, done++, std::ssize(tensors.entries()));
            const at::Tensor tensor = tensors.tensor(name);
            numbers += tensor.numel();
            numbersOf[c10::toString(tensor.scalar_type())] += tensor.numel();
            if (tensor.is_floating_point()) {
                result.collect([&] { requireFinite(tensor, name, file.string()); });
            }
        }
        result.add("tensors", std::ssize(tensors.entries()));
        result.add("numbers", numbers);
        for (const auto& [dtype, count] : numbersOf) {
            result.add("numbers_" + dtype, count);
        }
        result.add("bytes", static_cast<std::int64_t>(fs::file_size(file)));
    });
    return result;
}

[[noreturn]] void refuseUnknown(const fs::path& path)
{
    if (fs::exists(path) && !fs::is_directory(path) && !fs::is_regular_file(path)) {
        throw DataError(path.string() + " is not a regular file", "Name a file or a folder.");
    }
    if (fs::is_directory(path)) {
        throw DataError(path.string() + " is neither a model (config.json), an adapter "
                                        "(adapter_config.json), a run (run.json) nor a tokenizer");
    }
    throw DataError(path.string() + " is of no kind that this program reads",
                    "It reads model, adapter, run and tokenizer folders, and .gguf, .safetensors, "
                    ".bin, .jsonl, .txt and .md files.");
}

} // namespace

Inspection inspect(const std::string& folderOrFile, const ProgressCallback& progress)
{
    const fs::path path =
        fs::exists(folderOrFile) ? fs::path(folderOrFile) : resolveModelFolder(folderOrFile);
    switch (pathKindOf(path)) {
    case PathKind::Run:
        return inspectRun(path);
    case PathKind::Adapter:
        return inspectAdapter(path);
    case PathKind::Model:
        return inspectModel(path, progress);
    case PathKind::Tokenizer:
        return inspectTokenizer(path);
    case PathKind::Safetensors:
        return inspectTensors(path, "safetensors", progress);
    case PathKind::PytorchBin:
        return inspectTensors(path, "PyTorch file", progress);
    case PathKind::Gguf:
        return inspectGguf(path);
    case PathKind::TokenFile:
        return inspectTokenFile(path);
    case PathKind::Jsonl:
        return inspectJsonl(path, progress);
    case PathKind::Text:
        return inspectText(path);
    case PathKind::Missing:
    case PathKind::Unknown:
        break;
    }
    refuseUnknown(path);
}

} // namespace longlora::app
