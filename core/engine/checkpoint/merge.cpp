// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge.h"

#include "core/engine/checkpoint/gguf_export.h"
#include "core/engine/checkpoint/merge_plan.h"
#include "core/engine/checkpoint/merge_verify.h"
#include "core/engine/checkpoint/merge_weights.h"
#include "core/engine/checkpoint/merged_folder.h"
#include "core/engine/checkpoint/model_folder.h"
#include "core/engine/checkpoint/output_folder.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"

#include <c10/core/GradMode.h>

#include <chrono>

namespace longlora {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Reads the folder as anybody would and compares it with what was to be written.
void verify(const MergePlan& plan, const std::filesystem::path& folder,
            const WrittenHashes& written, const ProgressCallback& progress, MergeReport& report)
{
    for (const WeightShard& shard : plan.shards()) {
        forgetCachedPages(folder / shard.file); // or it would be memory that is compared
    }
    const ModelConfig& meant = plan.source().config();
    const MergeSource merged(folder);
    if (merged.config().rope != meant.rope ||
        merged.config().tiedEmbeddings != meant.tiedEmbeddings ||
        merged.config().contextLength() != meant.contextLength()) {
        throw FormatError((folder / "config.json").string(), {},
                          "does not say what was to be written");
    }
    compareLogits(plan.source(), merged, plan.comparedTokens(), written, progress, report);
    report.verified = true;
}

constexpr const char* kGgufFile = "merged.gguf";

/// The merged folder inside `output`: all of it, or what a GGUF file beside it is made of, then
/// called as the output is, since the file takes the model's name from there.
std::filesystem::path folderIn(const OutputFolder& output, const MergeRequest& request)
{
    if (request.format == MergeFormat::Safetensors) {
        return output.path();
    }
    const std::filesystem::path folder = output.path() / request.output.stem();
    std::filesystem::create_directory(folder);
    return folder;
}

/// Gives what was made its final name. Returns where an older output lies now.
std::filesystem::path finish(OutputFolder& output, const MergeRequest& request,
                             const std::filesystem::path& folder, const std::string& dtype,
                             const ProgressCallback& progress, MergeReport& report)
{
    if (request.format == MergeFormat::Safetensors) {
        report.bytes = folderBytes(folder);
        return output.commit();
    }
    report.bytes = exportGguf({folder, output.path() / kGgufFile, dtype}, progress).bytes;
    return output.commitFile(kGgufFile);
}

} // namespace

MergeReport mergeAdapter(const MergeRequest& request, const ProgressCallback& progress)
{
    const c10::NoGradGuard noGradients;
    const Clock::time_point start = Clock::now();
    const MergePlan plan(request);
    plan.requireRoom();

    const MergePreview preview = plan.preview();
    MergeReport report;
    report.tensors = preview.tensors;
    report.mergedTensors = preview.changedTensors;
    report.files = preview.files;
    report.dtype = preview.dtype;
    report.rope = preview.rope;
    OutputFolder output(request.output, request.replace ? OutputFolder::Existing::Keep
                                                        : OutputFolder::Existing::Refuse);
    const std::filesystem::path folder = folderIn(output, request);
    const WrittenHashes written =
        writeMergedWeights(plan.source(), plan.shards(), folder, progress);
    writeMergedFolder(request, plan, folder);
    report.mergeSeconds = secondsSince(start);
    if (request.verify) {
        verify(plan, folder, written, progress, report);
        requireSameLogits(report, plan.dtype(), request.output);
    }
    report.replaced = finish(output, request, folder, plan.dtypeName(), progress, report);
    report.replacedBytes = report.replaced.empty() ? 0.0 : storedBytes(report.replaced);
    report.seconds = secondsSince(start);
    return report;
}

MergePreview examineMerge(const MergeRequest& request)
{
    return MergePlan(request).preview();
}

} // namespace longlora
