// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf_export.h"

#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/gguf/gguf_config.h"
#include "core/engine/checkpoint/gguf/gguf_model.h"
#include "core/engine/checkpoint/gguf/gguf_rope.h"
#include "core/engine/checkpoint/gguf/gguf_tokenizer.h"
#include "core/engine/checkpoint/gguf/gguf_writer.h"
#include "core/engine/checkpoint/gguf/quantize.h"
#include "core/engine/checkpoint/sha256.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>

namespace longlora {

namespace {

/// A name on the command line, and llama.cpp's number for a file that is stored so.
struct ExportType {
    std::string_view name;
    GgmlType type = GgmlType::F16;
    std::int64_t fileType = 0;
};
constexpr std::array<ExportType, 4> kTypes = {{
    {"fp32", GgmlType::F32, 0},
    {"f16", GgmlType::F16, 1},
    {"q8_0", GgmlType::Q8_0, 7},
    {"bf16", GgmlType::BF16, 32},
}};

const ExportType& exportType(const std::string& name)
{
    const auto* const found = std::find_if(kTypes.begin(), kTypes.end(),
                                           [&](const auto& known) { return known.name == name; });
    if (found == kTypes.end()) {
        throw ConfigError("A GGUF file cannot be written as " + name,
                          "Choose fp32, f16, bf16 or q8_0.");
    }
    return *found;
}

/// One tensor to be written, by its name in the file.
struct Entry {
    WeightShape shape;
    GgufWriter::Announced announced;
    std::vector<std::int64_t> rows; ///< huggingFaceRows
};

/// In the order of llama.cpp's converter, which is that of Hugging Face's names.
std::vector<Entry> entriesOf(const ModelConfig& config, GgmlType type)
{
    std::vector<WeightShape> shapes = weightShapes(config);
    std::sort(shapes.begin(), shapes.end(),
              [](const auto& left, const auto& right) { return left.name < right.name; });
    const GgufArchitecture& architecture = *ggufArchitectureOf(config);
    std::vector<Entry> entries;
    for (WeightShape& shape : shapes) {
        const bool isVector = shape.sizes.size() == 1;
        // Blocks do not cross rows: what cannot be divided stays in half precision.
        const bool fits = shape.sizes.back() % ggmlTypeInfo(type).blockLength == 0;
        const GgmlType own = isVector ? GgmlType::F32 : fits ? type : GgmlType::F16;
        std::vector<std::int64_t> rows = huggingFaceRows(architecture, config, shape);
        std::string name = ggufTensorName(shape);
        std::vector<std::int64_t> sizes = shape.sizes;
        entries.push_back(
            {std::move(shape), {std::move(name), own, std::move(sizes)}, std::move(rows)});
    }
    return entries;
}

/// Everything but the tensors. Throws: DataError for what llama.cpp would compute otherwise.
GgufMetadata metadataOf(const ModelConfig& config, const std::filesystem::path& tokenizerFolder,
                        const std::string& name, const ExportType& type, std::int64_t length)
{
    if (config.rope.kind == RopeKind::Llama3 && ggufArchitectureOf(config) != nullptr &&
        ggufArchitectureOf(config)->name != "llama") {
        throw DataError("llama.cpp has no llama3 scaling for " + config.architecture,
                        "Export the model with linear or YaRN scaling.");
    }
    GgufMetadata metadata = ggufModelMetadata(config, name, type.fileType, length);
    addGgufTokenizer(metadata, tokenizerFolder, config);
    return metadata;
}

class Export {
public:
    Export(const GgufExportRequest& request, const ProgressCallback& progress)
        : m_request(request)
        , m_progress(progress)
        , m_type(exportType(request.dtype))
        , m_config(readModelConfig(request.model))
        , m_files(WeightFiles::open(request.model, m_config))
        , m_metadata(metadataOf(m_config, request.model, nameOf(request.model), m_type,
                                spelledLength(request.model)))
        , m_entries(entriesOf(m_config, m_type.type))
    {
        if (m_config.rope.kind == RopeKind::Llama3) {
            m_ropeFactors = ropeFactors(m_config.rope, m_config.rotaryDim());
        }
    }

    ConversionReport run()
    {
        const auto start = std::chrono::steady_clock::now();
        std::vector<GgufWriter::Announced> announced;
        if (!m_ropeFactors.empty()) {
            announced.push_back({kRopeFactorsName, GgmlType::F32, {std::ssize(m_ropeFactors)}});
        }
        for (const Entry& entry : m_entries) {
            announced.push_back(entry.announced);
        }
        GgufWriter writer(m_request.output, m_metadata, announced);
        if (!m_ropeFactors.empty()) {
            writer.write(std::as_bytes(std::span(m_ropeFactors)));
        }
        std::vector<std::string> digests;
        for (const Entry& entry : m_entries) {
            tell("exporting", std::ssize(digests));
            digests.push_back(write(entry, writer));
        }
        verify(writer.finish(), digests);
        writer.commit();
        ConversionReport report;
        report.tensors = std::ssize(announced);
        report.bytes = static_cast<double>(std::filesystem::file_size(m_request.output));
        report.dtype = m_type.name;
        report.rope = describeRope(m_config.rope);
        report.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return report;
    }

private:
    static std::string nameOf(const std::filesystem::path& folder)
    {
        const auto path = std::filesystem::absolute(folder).lexically_normal();
        return (path.has_filename() ? path : path.parent_path()).filename().string();
    }

    /// max_position_embeddings as config.json has it: under a linear factor perhaps the product.
    static std::int64_t spelledLength(const std::filesystem::path& folder)
    {
        const std::filesystem::path file = folder / "config.json";
        const JsonLimits limits;
        return JsonObject::parse(readWholeFile(file, limits.bytes), file.string(), limits)
            .integer("max_position_embeddings", 1, std::int64_t{1} << 32);
    }

    void tell(const char* phase, std::int64_t done) const
    {
        if (m_progress && !m_progress({phase, done, std::ssize(m_entries), "tensors"})) {
            throw Cancelled{};
        }
    }

    /// Returns the SHA-256 of what was written.
    std::string write(const Entry& entry, GgufWriter& writer) const
    {
        constexpr std::int64_t kNumbersAtOnce = std::int64_t{1} << 20;
        const at::Tensor stored = m_files.tensor(entry.shape.name);
        const at::Tensor rows = stored.dim() == 1 ? stored.unsqueeze(1) : stored;
        std::optional<at::Tensor> order;
        if (!entry.rows.empty()) {
            order = at::tensor(at::ArrayRef<std::int64_t>(entry.rows), at::kLong);
        }
        const std::int64_t rowsAtOnce = std::max<std::int64_t>(1, kNumbersAtOnce / rows.size(1));
        std::vector<std::byte> bytes;
        Sha256 hash;
        for (std::int64_t first = 0; first < rows.size(0); first += rowsAtOnce) {
            const std::int64_t count = std::min(rowsAtOnce, rows.size(0) - first);
            const at::Tensor part = order ? rows.index_select(0, order->narrow(0, first, count))
                                          : rows.narrow(0, first, count);
            encode(part.to(at::kFloat).contiguous(), entry, bytes);
            writer.write(bytes);
            hash.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        }
        return hash.hex();
    }

    void encode(const at::Tensor& part, const Entry& entry, std::vector<std::byte>& bytes) const
    {
        constexpr double kLargestHalf = 65504.0;
        requireFinite(part, entry.shape.name, m_request.model.string());
        const GgmlType type = entry.announced.type;
        // A block of Q8_0 keeps its largest number / 127 in half precision.
        const double limit = type == GgmlType::F16    ? kLargestHalf
                             : type == GgmlType::Q8_0 ? kLargestHalf * 127.0
                                                      : std::numeric_limits<double>::infinity();
        if (part.abs().max().item<double>() > limit) {
            throw DataError(entry.shape.name + " has values beyond the range of " +
                                std::string(ggmlTypeInfo(type).name),
                            "Export as bf16 or fp32.");
        }
        const std::int64_t count = part.numel();
        bytes.resize(static_cast<std::size_t>(
            *ggmlBytes(ggmlTypeInfo(type), static_cast<std::uint64_t>(count))));
        quantize(type, part.const_data_ptr<float>(), count, bytes.data());
    }

    /// Reads the file as anybody would and compares it with what was to be written.
    void verify(const std::filesystem::path& path, const std::vector<std::string>& digests) const
    {
        const GgufFile file = GgufFile::open(path);
        const ModelConfig written = readGgufModel(file);
        if (written.rope != m_config.rope || written.tiedEmbeddings != m_config.tiedEmbeddings ||
            written.parameterCount() != m_config.parameterCount()) {
            throw FormatError(m_request.output.string(), {},
                              "the metadata does not say what was to be written");
        }
        tokenizerFilesOf(file.metadata(), written);
        for (std::size_t i = 0; i < m_entries.size(); ++i) {
            tell("verifying", static_cast<std::int64_t>(i));
            const std::string& name = m_entries[i].announced.name;
            const GgufTensor* const tensor = file.header().find(name);
            Sha256 hash;
            if (tensor != nullptr) {
                hash.add({reinterpret_cast<const char*>(file.data(*tensor)), tensor->bytes});
                file.release(*tensor);
            }
            if (tensor == nullptr || hash.hex() != digests[i]) {
                throw FormatError(m_request.output.string(), "tensor " + name,
                                  "reads back other than it was written",
                                  "The disk may be failing: export to another one.");
            }
        }
    }

    const GgufExportRequest& m_request;
    const ProgressCallback& m_progress;
    const ExportType& m_type;
    ModelConfig m_config;
    WeightFiles m_files;
    GgufMetadata m_metadata;
    std::vector<Entry> m_entries;
    std::vector<float> m_ropeFactors;
};

} // namespace

ConversionReport exportGguf(const GgufExportRequest& request, const ProgressCallback& progress)
{
    const c10::NoGradGuard noGradients;
    return Export(request, progress).run();
}

void requireExportable(const ModelConfig& config, const std::filesystem::path& tokenizerFolder,
                       const std::string& dtype)
{
    metadataOf(config, tokenizerFolder, "model", exportType(dtype), config.contextLength());
}

} // namespace longlora
