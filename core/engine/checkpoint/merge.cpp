// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge.h"

#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/merge_source.h"
#include "core/engine/checkpoint/merge_verify.h"
#include "core/engine/checkpoint/model_folder.h"
#include "core/engine/checkpoint/output_folder.h"
#include "core/engine/checkpoint/sha256.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>

namespace longlora {

namespace {

constexpr const char* kWeightFile = "model.safetensors";
/// Long enough to need the extended positions, short enough for a processor.
constexpr std::int64_t kMaxComparedTokens = 4096;

/// SHA-256 of each tensor's bytes, by name.
using Digests = std::map<std::string, std::string>;

std::string digest(const at::Tensor& contiguous)
{
    Sha256 hash;
    hash.add({static_cast<const char*>(contiguous.const_data_ptr()), contiguous.nbytes()});
    return hash.hex();
}

/// W + scale B A, computed at least in fp32 and cast once.
at::Tensor mergedWeight(const MergeSource& source, const std::string& name, at::ScalarType dtype)
{
    const at::Tensor stored = source.weight(name);
    const bool isDouble = stored.scalar_type() == at::kDouble || dtype == at::kDouble;
    const at::ScalarType wide = isDouble ? at::kDouble : at::kFloat;
    at::Tensor result = stored.to(wide, false, /*copy=*/true);
    if (const LoraPair* pair = source.update(name); pair != nullptr) {
        result.addmm_(pair->b.to(wide), pair->a.to(wide), 1.0, pair->scale);
    }
    requireFinite(result, name, "Merging");
    result = result.to(dtype).contiguous();
    if (!isFinite(result)) {
        throw DataError(name + " has values beyond the range of " + dtypeName(dtype),
                        "Merge as bf16 or fp32.");
    }
    return result;
}

Digests writeWeights(const MergeSource& source, at::ScalarType dtype,
                     const std::filesystem::path& folder, const ProgressCallback& progress,
                     MergeReport& report)
{
    std::vector<SafetensorsWriter::Announced> announced;
    for (WeightShape& shape : weightShapes(source.config())) {
        announced.push_back({std::move(shape.name), dtype, std::move(shape.sizes)});
    }
    SafetensorsWriter writer(folder / kWeightFile, announced, {{"format", "pt"}});
    Digests digests;
    report.tensors = std::ssize(announced);
    std::int64_t done = 0;
    for (const auto& tensor : announced) {
        if (progress && !progress({"merging", done++, report.tensors, "tensors"})) {
            throw Cancelled{};
        }
        const at::Tensor weight = mergedWeight(source, tensor.name, dtype);
        report.mergedTensors += source.changes(tensor.name) ? 1 : 0;
        digests[tensor.name] = digest(weight);
        writer.write(tensor.name, weight);
    }
    writer.finish();
    return digests;
}

void writeConfig(const MergeRequest& request, const MergeSource& source, at::ScalarType dtype,
                 const std::filesystem::path& folder)
{
    const ModelConfig& config = source.config();
    ModelConfigChanges changes;
    changes.rope = config.rope;
    changes.tiedEmbeddings = config.tiedEmbeddings;
    changes.dtype = configDtypeName(dtype);
    changes.maxPositionEmbeddings = config.maxPositionEmbeddings;
    writeFileAtomically(folder / "config.json", rewriteModelConfig(request.base, changes));
    writeGenerationConfig(request.base, config, folder);
    copyTokenizerFiles(request.base, folder);
}

/// Reads the folder as anybody would and compares it with what was to be written.
void verify(const MergeSource& unmerged, const std::filesystem::path& folder,
            const Digests& digests, const ProgressCallback& progress, MergeReport& report)
{
    const MergeSource merged(folder);
    if (merged.config().rope != unmerged.config().rope ||
        merged.config().tiedEmbeddings != unmerged.config().tiedEmbeddings) {
        throw FormatError((folder / "config.json").string(), {},
                          "does not say what was to be written");
    }
    for (const auto& [name, expected] : digests) {
        if (digest(merged.weight(name)) != expected) {
            throw FormatError((folder / kWeightFile).string(), "tensor " + name,
                              "reads back other than it was written",
                              "The disk may be failing: merge to another one.");
        }
    }
    report.rereadEqual = true;
    const std::int64_t tokens = std::min(kMaxComparedTokens, unmerged.config().contextLength());
    compareLogits(unmerged, merged, tokens, progress, report);
    report.verified = true;
}

} // namespace

MergeReport mergeAdapter(const MergeRequest& request, const ProgressCallback& progress)
{
    const c10::NoGradGuard noGradients;
    const auto start = std::chrono::steady_clock::now();
    const bool isAuto = request.dtype == "auto";
    const at::ScalarType asked = isAuto ? at::kFloat : dtypeFromName(request.dtype);
    const MergeSource source(request.base, request.adapter);
    const at::ScalarType dtype = isAuto ? source.files().storedDtype() : asked;

    MergeReport report;
    report.dtype = dtypeName(dtype);
    report.rope = describeRope(source.config().rope);
    OutputFolder output(request.output);
    const Digests digests = writeWeights(source, dtype, output.path(), progress, report);
    writeConfig(request, source, dtype, output.path());
    if (request.verify) {
        verify(source, output.path(), digests, progress, report);
        requireSameLogits(report, dtype, request.output);
    }
    report.bytes = folderBytes(output.path());
    output.commit();
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
}

} // namespace longlora
