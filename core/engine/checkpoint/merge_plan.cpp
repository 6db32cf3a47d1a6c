// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge_plan.h"

#include "core/engine/checkpoint/gguf_export.h"
#include "core/engine/checkpoint/merge_verify.h"
#include "core/engine/checkpoint/merged_weight.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/disk_space.h"
#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"
#include "core/spec/base/units.h"
#include "core/spec/plan/system_memory.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <system_error>

namespace longlora {

namespace {

namespace fs = std::filesystem;

/// Long enough to need the extended positions, short enough for a processor.
constexpr std::int64_t kMaxComparedTokens = 4096;
/// Of config.json, index and tokenizer: less than any weight file.
constexpr double kOtherFilesBytes = 32e6;

constexpr const char* kBlockQuantized = "q8_0";

/// Of the safetensors files; q8_0 is rounded once, from fp32. auto: fp32, to be replaced by the
/// base's. Throws: ConfigError.
at::ScalarType askedDtype(const MergeRequest& request)
{
    const bool isFloat = request.dtype == "auto" ||
                         (request.format == MergeFormat::Gguf && request.dtype == kBlockQuantized);
    return isFloat ? at::kFloat : dtypeFromName(request.dtype);
}

/// Bytes of one number of a matrix in a GGUF file.
double ggufBytesOfOne(const std::string& dtype)
{
    return dtype == kBlockQuantized ? 34.0 / 32.0 : dtype == "fp32" ? 4.0 : 2.0;
}

fs::path plainPath(const fs::path& path)
{
    std::error_code ignored;
    fs::path plain = fs::weakly_canonical(fs::absolute(path), ignored);
    return plain.has_filename() ? plain : plain.parent_path();
}

bool isInside(const fs::path& inner, const fs::path& outer)
{
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first ==
           outer.end();
}

/// What a merge or an export could have written; anything else is not moved out of the way.
bool isReplaceable(const fs::path& output)
{
    std::error_code ignored;
    return fs::is_directory(output, ignored)
               ? fs::exists(output / "config.json", ignored) || fs::is_empty(output, ignored)
               : fs::is_regular_file(output, ignored) && output.extension() == ".gguf";
}

/// Throws: ConfigError.
void requireSoundOutput(const MergeRequest& request)
{
    const fs::path output = plainPath(request.output);
    for (const fs::path& source : {request.base, request.adapter}) {
        if (source.empty()) {
            continue;
        }
        const fs::path plain = plainPath(source);
        if (isInside(output, plain) || isInside(plain, output)) {
            throw ConfigError("The output " + request.output.string() + " overlaps " +
                                  source.string() + ", which is read for it",
                              "Choose another name.");
        }
    }
    std::error_code ignored;
    if (request.replace && fs::exists(output, ignored) && !isReplaceable(output)) {
        throw ConfigError(request.output.string() + " is no model that could be replaced",
                          "Choose another name.");
    }
}

/// Nothing of the models is read before what can be told without them. Throws: ConfigError.
MergeRequest checked(const MergeRequest& request)
{
    requireSoundOutput(request);
    askedDtype(request);
    return request;
}

/// The frequencies of dynamic scaling follow from max_position_embeddings.
void requireSoundPositions(const MergeRequest& request, const ModelConfig& config)
{
    if (request.positions == PositionLimit::TrainedLength &&
        config.rope.kind == RopeKind::Dynamic) {
        throw ConfigError("max_position_embeddings cannot be the trained length of a model with "
                          "dynamic scaling: its angles follow from it",
                          "Leave it as the base has it.");
    }
}

double bytesInGguf(const ModelConfig& config, const std::string& dtype)
{
    double bytes = 0.0;
    for (const WeightShape& shape : weightShapes(config)) {
        const bool isVector = shape.sizes.size() == 1;
        bytes += static_cast<double>(shape.count()) * (isVector ? 4.0 : ggufBytesOfOne(dtype));
    }
    return bytes;
}

double bytesOf(const std::vector<WeightShard>& shards)
{
    double bytes = 0.0;
    for (const WeightShard& shard : shards) {
        for (const auto& tensor : shard.tensors) {
            bytes += static_cast<double>(safetensorsBytes(tensor));
        }
    }
    return bytes;
}

} // namespace

MergePlan::MergePlan(const MergeRequest& request)
    : m_request(checked(request))
    , m_source(request.base, request.adapter)
    , m_dtype(request.dtype == "auto" ? m_source.files().storedDtype() : askedDtype(request))
{
    requireSoundPositions(request, m_source.config());
    if (request.format == MergeFormat::Gguf) {
        if (m_dtype == at::kDouble) {
            m_dtype = at::kFloat; // the widest that llama.cpp computes with
        }
        requireExportable(m_source.config(), request.base, dtypeName());
    }
    std::vector<SafetensorsWriter::Announced> announced;
    for (WeightShape& shape : weightShapes(m_source.config())) {
        announced.push_back({std::move(shape.name), m_dtype, std::move(shape.sizes)});
    }
    m_shards = shardWeights(announced, std::max(1.0, request.maxShardBytes));
}

std::int64_t MergePlan::comparedTokens() const
{
    return std::min(kMaxComparedTokens, m_source.config().contextLength());
}

std::string MergePlan::dtypeName() const
{
    return m_request.dtype == "auto" ? longlora::dtypeName(m_dtype) : m_request.dtype;
}

MergePreview MergePlan::preview() const
{
    const ModelConfig& config = m_source.config();
    MergePreview preview;
    for (const WeightShape& shape : weightShapes(config)) {
        ++preview.tensors;
        preview.changedTensors += m_source.changes(shape.name) ? 1 : 0;
    }
    preview.dtype = dtypeName();
    preview.files = std::ssize(m_shards);
    preview.outputBytes = bytesOf(m_shards);
    if (m_request.format == MergeFormat::Gguf) {
        preview.files = 1;
        preview.temporaryBytes = preview.outputBytes;
        preview.outputBytes = bytesInGguf(config, preview.dtype);
    }
    preview.freeBytes = freeDiskBytes(m_request.output);
    preview.memoryBytes =
        m_source.adapterBytes() +
        std::max(kMergedBlocksBytes,
                 m_request.verify ? comparisonBytes(config, comparedTokens()) : 0.0);
    preview.availableMemory = availableMemoryBytes();
    preview.fingerprint = m_source.fingerprint();
    preview.fingerprintChecked = m_source.namesItsBase();
    preview.rope = describeRope(config.rope);
    preview.contextLength = config.contextLength();
    std::error_code ignored;
    preview.outputExists = fs::exists(m_request.output, ignored);
    preview.existingBytes = isReplaceable(m_request.output) ? storedBytes(m_request.output) : 0.0;
    return preview;
}

void MergePlan::requireRoom() const
{
    const MergePreview plan = preview();
    if (plan.outputExists && !m_request.replace) {
        throw ConfigError("The output " + m_request.output.string() + " exists already",
                          "Choose a new name, remove it first, or ask for it to be replaced.");
    }
    requireDiskSpace(m_request.output, plan.outputBytes + plan.temporaryBytes + kOtherFilesBytes);
    if (plan.availableMemory > 0.0 && plan.memoryBytes > plan.availableMemory) {
        throw DataError("Not enough memory to merge" +
                            std::string(m_request.verify ? " and verify" : "") + ": it takes " +
                            formatBytes(plan.memoryBytes) + ", " +
                            formatBytes(plan.availableMemory) + " are free",
                        m_request.verify ? "Free some memory, or merge without verification."
                                         : "Free some memory.");
    }
}

} // namespace longlora
