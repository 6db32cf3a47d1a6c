// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf_import.h"

#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/gguf/dequantize.h"
#include "core/engine/checkpoint/gguf/gguf_config.h"
#include "core/engine/checkpoint/gguf/gguf_model.h"
#include "core/engine/checkpoint/gguf/gguf_tokenizer.h"
#include "core/engine/checkpoint/gguf/quantize.h"
#include "core/engine/checkpoint/model_folder.h"
#include "core/engine/checkpoint/output_folder.h"
#include "core/engine/checkpoint/safetensors.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/text/tokenizer.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

namespace longlora {

namespace {

constexpr const char* kWeightFile = "model.safetensors";

std::optional<at::ScalarType> narrowDtype(GgmlType type)
{
    switch (type) {
    case GgmlType::F16:
        return at::kHalf;
    case GgmlType::BF16:
        return at::kBFloat16;
    default:
        return std::nullopt;
    }
}

/// Rows of a tensor and where its numbers lie.
struct Rows {
    std::int64_t count = 1;
    std::int64_t length = 0; ///< numbers
    std::uint64_t bytes = 0; ///< of one
};

Rows rowsOf(const GgufTensor& tensor, bool hasOwnOrder)
{
    // A bias whose elements stand in another order has one number in a row.
    const std::int64_t length = tensor.sizes.size() == 1 && hasOwnOrder ? 1 : tensor.rowLength();
    const std::int64_t count = tensor.count() / length;
    return {count, length, tensor.bytes / static_cast<std::uint64_t>(count)};
}

/// The weight as the file has it, in Hugging Face's order of rows: in fp32, or as it is stored.
at::Tensor readWeight(const GgufFile& file, const GgufWeight& weight, at::ScalarType dtype)
{
    const GgufTensor& tensor = *weight.tensor;
    const bool isCopied = narrowDtype(tensor.type) == dtype;
    at::Tensor result = at::empty(weight.shape.sizes, isCopied ? dtype : at::kFloat);
    const Rows rows = rowsOf(tensor, !weight.rows.empty());
    const std::byte* const data = file.data(tensor);
    auto* const out = static_cast<std::byte*>(result.data_ptr());
    const auto rowBytesOut = static_cast<std::size_t>(rows.length) * result.element_size();
    constexpr std::int64_t kNumbersInTask = std::int64_t{1} << 18;
    const auto convert = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const auto place = static_cast<std::size_t>(row);
            const std::byte* const from = data + place * rows.bytes;
            const auto target =
                weight.rows.empty() ? place : static_cast<std::size_t>(weight.rows[place]);
            std::byte* const to = out + target * rowBytesOut;
            if (isCopied) {
                std::memcpy(to, from, rows.bytes);
            } else {
                dequantize(tensor.type, from, rows.length, reinterpret_cast<float*>(to));
            }
        }
    };
    at::parallel_for(0, rows.count, std::max<std::int64_t>(1, kNumbersInTask / rows.length),
                     convert);
    file.release(tensor);
    return result;
}

/// Throws: DataError if a number does not fit.
at::Tensor narrowed(const at::Tensor& weight, const std::string& name, at::ScalarType dtype)
{
    at::Tensor result = weight.to(dtype);
    if (!isFinite(result)) {
        throw DataError(name + " has values beyond the range of " + dtypeName(dtype),
                        "Import as bf16 or fp32.");
    }
    return result;
}

bool holdsExactly(const GgufFile& file, const GgufWeight& weight, at::ScalarType dtype)
{
    const at::Tensor exact = readWeight(file, weight, at::kFloat);
    return exact.to(dtype).to(at::kFloat).equal(exact);
}

/// The narrowest dtype that holds every number: that of the matrices if they are all alike and the
/// vectors, which are stored in fp32, fit into it.
at::ScalarType exactDtype(const GgufFile& file, const std::vector<GgufWeight>& weights)
{
    std::optional<at::ScalarType> dtype;
    for (const GgufWeight& weight : weights) {
        if (weight.shape.sizes.size() == 1 && weight.tensor->type == GgmlType::F32) {
            continue;
        }
        const auto narrow = narrowDtype(weight.tensor->type);
        if (!narrow || (dtype && *dtype != *narrow)) {
            return at::kFloat;
        }
        dtype = narrow;
    }
    const bool fits =
        dtype && std::all_of(weights.begin(), weights.end(), [&](const auto& weight) {
            return weight.tensor->type != GgmlType::F32 || holdsExactly(file, weight, *dtype);
        });
    return fits ? *dtype : at::kFloat;
}

void writeWeights(const GgufFile& file, const std::vector<GgufWeight>& weights,
                  at::ScalarType dtype, const std::filesystem::path& folder,
                  const ProgressCallback& progress)
{
    std::vector<SafetensorsWriter::Announced> announced;
    for (const GgufWeight& weight : weights) {
        announced.push_back({weight.shape.name, dtype, weight.shape.sizes});
    }
    SafetensorsWriter writer(folder / kWeightFile, announced, {{"format", "pt"}});
    std::int64_t done = 0;
    for (const GgufWeight& weight : weights) {
        if (progress && !progress({"importing", done++, std::ssize(weights), "tensors"})) {
            throw Cancelled{};
        }
        const at::Tensor exact = readWeight(file, weight, dtype);
        requireFinite(exact, weight.tensor->name, file.path().string());
        writer.write(weight.shape.name, narrowed(exact, weight.shape.name, dtype));
    }
    writer.finish();
}

/// Reads the folder as anybody would. Throws: FormatError if it does not say what was meant.
void verify(const std::filesystem::path& folder, const ModelConfig& config, bool hasTokenizer)
{
    const ModelConfig written = readModelConfig(folder);
    if (written != config) {
        throw FormatError((folder / "config.json").string(), {},
                          "does not say what was to be written");
    }
    WeightFiles::open(folder, written);
    if (hasTokenizer) {
        loadTokenizer(folder);
    }
}

} // namespace

ConversionReport importGguf(const GgufImportRequest& request, const ProgressCallback& progress)
{
    const c10::NoGradGuard noGradients;
    const auto start = std::chrono::steady_clock::now();
    const bool isAuto = request.dtype == "auto";
    const at::ScalarType asked = isAuto ? at::kFloat : dtypeFromName(request.dtype);
    const GgufFile file = GgufFile::open(request.file);
    ModelConfig config = readGgufModel(file);
    const std::vector<GgufWeight> weights = ggufWeights(file.header(), config);
    const std::vector<TextFile> tokenizer = tokenizerFilesOf(file.metadata(), config);
    const at::ScalarType dtype = isAuto ? exactDtype(file, weights) : asked;
    config.storedDtype = configDtypeName(dtype);

    OutputFolder output(request.output);
    writeWeights(file, weights, dtype, output.path(), progress);
    writeFileAtomically(output.path() / "config.json", modelConfigJson(config));
    writeGenerationConfig({}, config, output.path());
    for (const TextFile& text : tokenizer) {
        writeFileAtomically(output.path() / text.name, text.content);
    }
    verify(output.path(), config, !tokenizer.empty());

    ConversionReport report;
    report.tensors = std::ssize(weights);
    report.bytes = folderBytes(output.path());
    report.dtype = dtypeName(dtype);
    report.rope = describeRope(config.rope);
    output.commit();
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
}

} // namespace longlora
