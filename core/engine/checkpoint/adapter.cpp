// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter.h"

#include "core/engine/checkpoint/adapter_origin.h"
#include "core/engine/checkpoint/adapter_tensors.h"
#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/peft_config.h"
#include "core/engine/checkpoint/tensor_file.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

namespace longlora {

namespace {

using Kind = TensorRole::Kind;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kTensorFile = "adapter_model.safetensors";
constexpr const char* kPickleFile = "adapter_model.bin";
/// What LongLoRA's repository keeps its trained embeddings and norms in.
constexpr const char* kTrainableFile = "trainable_params.bin";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kWeight = ".weight";

/// A copy that does not depend on the file. Narrow numbers are widened: merging and training start
/// from them.
at::Tensor loaded(const TensorFile& file, const std::string& key)
{
    const at::Tensor stored = file.tensor(key);
    if (!stored.is_floating_point()) {
        throw FormatError(file.path().string(), "tensor " + key, "does not hold floating numbers");
    }
    const bool isDouble = stored.scalar_type() == at::kDouble;
    at::Tensor copy = stored.to(isDouble ? at::kDouble : at::kFloat, false, /*copy=*/true);
    requireFinite(copy, key, file.path().string());
    return copy;
}

void requireWholePair(const LoraPair& pair, const std::string& module, std::int64_t rank,
                      const std::string& file)
{
    const auto refuse = [&](const std::string& what) {
        throw FormatError(file, "module " + module, what);
    };
    if (!pair.a.defined() || !pair.b.defined()) {
        refuse(pair.a.defined() ? "lora_B is missing" : "lora_A is missing");
    }
    if (pair.a.dim() != 2 || pair.b.dim() != 2 || pair.a.size(0) != pair.b.size(1)) {
        refuse("lora_A and lora_B do not fit each other");
    }
    if (pair.a.size(0) != rank) {
        refuse(fmt::format("rank {} contradicts {} of {}", pair.a.size(0), rank, kConfigFile));
    }
}

/// A module the config calls trained must be there: PEFT itself fails over a file without it. That
/// all of its kind are there can be said once the base is known.
void requireSavedModules(const Adapter& adapter, const std::string& file)
{
    for (const std::string& saved : adapter.savedModules) {
        const bool isFound =
            std::any_of(adapter.replaced.begin(), adapter.replaced.end(), [&](const auto& item) {
                return item.first.ends_with(saved + std::string(kWeight));
            });
        // A head that stays tied to a trained embedding is not written.
        const bool isHead = saved == "lm_head" || saved == "embed_out";
        if (!isFound && !(adapter.keepsTying && isHead)) {
            throw FormatError(file, {},
                              "has no tensor of " + saved + ", which modules_to_save lists");
        }
    }
}

/// Adapters of other names than "default" lie in sub-folders.
[[noreturn]] void throwNoAdapter(const std::filesystem::path& folder)
{
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& item : std::filesystem::directory_iterator(folder, ignored)) {
        if (entryExists(item.path() / kConfigFile)) {
            names.push_back(item.path().filename().string());
        }
    }
    std::sort(names.begin(), names.end());
    const std::string first = names.empty() ? std::string() : (folder / names.front()).string();
    throw DataError(names.empty()
                        ? fmt::format("There is no {} in {}", kConfigFile, folder.string())
                        : fmt::format("{} is no adapter, but holds adapters: {}", folder.string(),
                                      fmt::join(names, ", ")),
                    names.empty() ? "Name the folder of a PEFT adapter."
                                  : "Name one of them, such as " + first + ".");
}

/// transformers 5 calls the head of GPT-NeoX lm_head, though its files have embed_out as ever.
void takeNeoxHead(Adapter& adapter)
{
    const auto isOfNeox = [](const auto& item) { return item.first.starts_with("gpt_neox."); };
    if (!std::any_of(adapter.pairs.begin(), adapter.pairs.end(), isOfNeox) &&
        !std::any_of(adapter.replaced.begin(), adapter.replaced.end(), isOfNeox)) {
        return;
    }
    if (!adapter.replaced.contains("embed_out.weight") &&
        adapter.replaced.contains("lm_head.weight")) {
        auto head = adapter.replaced.extract("lm_head.weight");
        head.key() = "embed_out.weight";
        adapter.replaced.insert(std::move(head));
    }
    std::replace(adapter.savedModules.begin(), adapter.savedModules.end(), std::string("lm_head"),
                 std::string("embed_out"));
}

std::filesystem::path tensorFile(const std::filesystem::path& folder)
{
    for (const char* name : {kTensorFile, kPickleFile}) {
        if (entryExists(folder / name)) {
            return folder / name;
        }
    }
    throw DataError(
        fmt::format("There is neither {} nor {} in {}", kTensorFile, kPickleFile, folder.string()),
        "Name the folder of a PEFT adapter.");
}

/// Puts the tensors of an adapter's files where they belong.
class AdapterReader {
public:
    AdapterReader(PeftConfig config, bool isLongLora)
        : m_config(std::move(config))
        , m_isLongLora(isLongLora)
    {
        m_adapter.baseModel = m_config.baseModel;
        m_adapter.savedModules = m_config.modulesToSave;
        m_adapter.unknownKeys = m_config.unknownKeys;
        m_adapter.keepsTying = m_config.keepsTying;
    }

    void add(const TensorFile& file);
    /// `file` in messages.
    Adapter take(const std::string& file);

private:
    at::Tensor& placeOf(const TensorRole& role);
    void finishPairs(std::map<std::string, LoraPair>& pairs, const std::string& file) const;
    void finishRows(const std::string& file);
    bool hasNorm() const;
    void finishLongLora();

    PeftConfig m_config;
    bool m_isLongLora;
    Adapter m_adapter;
    std::map<std::string, std::string> m_fileOf; ///< of the tensors so far, by role and name
};

at::Tensor& AdapterReader::placeOf(const TensorRole& role)
{
    switch (role.kind) {
    case Kind::LoraA:
        return m_adapter.pairs[role.name].a;
    case Kind::LoraB:
        return m_adapter.pairs[role.name].b;
    case Kind::EmbeddingA:
        return m_adapter.embeddingPairs[role.name].a;
    case Kind::EmbeddingB:
        return m_adapter.embeddingPairs[role.name].b;
    case Kind::TokenRows:
        return m_adapter.rows[role.name].values;
    default:
        return m_adapter.replaced[role.name];
    }
}

void AdapterReader::add(const TensorFile& file)
{
    const std::string name = file.path().string();
    for (const auto& [key, entry] : file.entries()) {
        const TensorRole role = tensorRole(key, m_isLongLora);
        if (role.kind == Kind::Ignored) {
            continue;
        }
        if (role.kind == Kind::Unknown) {
            throw FormatError(
                name, "tensor " + key, "is of a kind that is not supported",
                "Supported: lora_A and lora_B of linear maps, lora_embedding_A and _B, "
                "trainable_tokens_delta, and whole weights.");
        }
        at::Tensor& place = placeOf(role);
        const at::Tensor tensor = loaded(file, key);
        std::string& holder = m_fileOf[std::to_string(static_cast<int>(role.kind)) + role.name];
        if (!place.defined()) {
            place = tensor;
            holder = name;
        } else if (holder == name) {
            throw FormatError(name, "tensor " + key, "stands twice under different spellings");
        } else if (!at::equal(place, tensor)) {
            throw FormatError(name, "tensor " + key, "stands in " + holder + " with other values",
                              "Which of them was trained cannot be told: remove one.");
        }
    }
}

void AdapterReader::finishPairs(std::map<std::string, LoraPair>& pairs,
                                const std::string& file) const
{
    for (auto& [module, pair] : pairs) {
        const PeftConfig::Shape shape = m_config.shapeOf(module);
        requireWholePair(pair, module, shape.rank, file);
        pair.scale = shape.scale;
    }
}

/// Gives trained rows their tokens. A tied head has none of its own; attaching tells.
void AdapterReader::finishRows(const std::string& file)
{
    for (auto& [weight, rows] : m_adapter.rows) {
        rows.tokens = m_config.tokensOf(weight.substr(0, weight.size() - kWeight.size()));
        if (rows.values.dim() != 2 || rows.values.size(0) != std::ssize(rows.tokens)) {
            throw FormatError(file, "tensor of " + weight,
                              fmt::format("has not the {} rows that trainable_token_indices names",
                                          rows.tokens.size()));
        }
        if (m_adapter.replaced.contains(weight)) {
            throw FormatError(file, "tensor of " + weight,
                              "is trained whole and in rows of its own; that contradicts itself");
        }
    }
    if (m_config.hasTokens() && m_adapter.rows.empty()) {
        throw FormatError(file, {},
                          "has no trainable_tokens_delta, though trainable_token_indices is set");
    }
    m_adapter.headRowsAreTied = m_config.tokenLists() > m_adapter.rows.size();
}

bool AdapterReader::hasNorm() const
{
    return std::any_of(m_adapter.replaced.begin(), m_adapter.replaced.end(),
                       [](const auto& item) { return item.first.ends_with("norm.weight"); });
}

/// LongLoRA trains the parameters themselves, so that what is tied stays tied, and keeps no list of
/// them: all norms, or none; the embedding, or not.
void AdapterReader::finishLongLora()
{
    m_adapter.keepsTying = true;
    m_adapter.addsVocabulary = true;
    constexpr std::array<std::string_view, 4> kEnds = {"norm", "embed_tokens", "embed_in",
                                                       "embed_out"};
    for (const std::string_view end : kEnds) {
        const std::string weight = std::string(end) + std::string(kWeight);
        if (std::any_of(m_adapter.replaced.begin(), m_adapter.replaced.end(),
                        [&](const auto& item) { return item.first.ends_with(weight); })) {
            m_adapter.savedModules.emplace_back(end);
        }
    }
}

Adapter AdapterReader::take(const std::string& file)
{
    if (m_adapter.pairs.empty() && m_adapter.replaced.empty() && m_adapter.embeddingPairs.empty() &&
        m_adapter.rows.empty()) {
        throw FormatError(file, {}, "holds no tensors");
    }
    finishPairs(m_adapter.pairs, file);
    finishPairs(m_adapter.embeddingPairs, file);
    finishRows(file);
    // PEFT lists what it trains whole; LongLoRA puts norms into either file without a word.
    if (m_isLongLora || (m_config.modulesToSave.empty() && hasNorm())) {
        finishLongLora();
    }
    takeNeoxHead(m_adapter);
    requireSavedModules(m_adapter, file);
    return std::move(m_adapter);
}

} // namespace

Adapter readAdapter(const std::filesystem::path& folder)
{
    const c10::NoGradGuard noGradients;
    if (!entryExists(folder / kConfigFile)) {
        throwNoAdapter(folder);
    }
    const std::filesystem::path trainable = folder / kTrainableFile;
    const TensorFile file = TensorFile::open(tensorFile(folder));
    AdapterReader reader(PeftConfig::read(folder / kConfigFile), entryExists(trainable));
    reader.add(file);
    if (entryExists(trainable)) {
        reader.add(TensorFile::open(trainable));
    }
    Adapter adapter = reader.take(file.path().string());
    adapter.origin = readAdapterOrigin(folder);
    adapter.addsVocabulary = adapter.addsVocabulary || readAddsVocabulary(folder);
    return adapter;
}

void writeAdapter(const std::filesystem::path& folder, const AdapterDescription& description,
                  const std::map<std::string, LoraPair>& pairs,
                  const std::map<std::string, at::Tensor>& replaced)
{
    const c10::NoGradGuard noGradients;
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) {
        throw DataError("Cannot create " + folder.string() + ": " + code.message(),
                        "Check the path and its rights.");
    }
    const std::string prefix(kPrefix);
    const auto plain = [](const at::Tensor& tensor) {
        return tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    };
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [module, pair] : pairs) {
        tensors[prefix + module + ".lora_A.weight"] = plain(pair.a);
        tensors[prefix + module + ".lora_B.weight"] = plain(pair.b);
    }
    for (const auto& [weight, tensor] : replaced) {
        tensors[prefix + weight] = plain(tensor);
    }
    writeSafetensors(folder / kTensorFile, tensors);
    if (description.origin || description.addsVocabulary) {
        writeAdapterOrigin(folder, description.origin, description.addsVocabulary);
    }
    // Last: a folder with this file is a whole adapter.
    writeFileAtomically(folder / kConfigFile, peftConfigJson(description, pairs, replaced));
}

} // namespace longlora
