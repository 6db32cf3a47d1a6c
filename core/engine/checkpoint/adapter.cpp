// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter.h"

#include "core/engine/checkpoint/adapter_origin.h"
#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/peft_config.h"
#include "core/engine/checkpoint/safetensors.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

namespace longlora {

namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kTensorFile = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";

/// What a key of adapter_model.safetensors stands for.
struct TensorRole {
    enum class Kind { LoraA, LoraB, Replaced, Ignored, Unknown };
    Kind kind = Kind::Unknown;
    std::string name; ///< module for LoRA, weight for Replaced
};

/// A trained norm may have a bias; a bias of anything else is a variant of LoRA.
bool isOfNorm(std::string_view module)
{
    return module.ends_with("norm");
}

/// Spellings of PEFT now ("X.lora_A.weight", "X.weight"), of older ones and of hand-made files
/// ("X.lora_A.default.weight", "X.modules_to_save.default.weight", "X.original_module.weight").
TensorRole roleOf(std::string_view key)
{
    using Kind = TensorRole::Kind;
    const std::string_view ending = key.ends_with(kBias) ? kBias : kWeight;
    if (!key.starts_with(kPrefix) || !key.ends_with(ending)) {
        return {};
    }
    key.remove_prefix(kPrefix.size());
    const std::string_view module = key.substr(0, key.size() - ending.size());
    constexpr std::array<std::pair<std::string_view, Kind>, 4> kMarks = {{
        {".lora_A", Kind::LoraA},
        {".lora_B", Kind::LoraB},
        {".modules_to_save", Kind::Replaced},
        {".original_module", Kind::Ignored},
    }};
    for (const auto& [mark, kind] : kMarks) {
        const std::size_t at = module.rfind(mark);
        if (at == std::string_view::npos) {
            continue;
        }
        // The adapter's name may follow: one part without a dot.
        const std::string_view rest = module.substr(at + mark.size());
        const bool isLora = kind == Kind::LoraA || kind == Kind::LoraB;
        std::string name(module.substr(0, at));
        if ((!rest.empty() && (rest.front() != '.' || rest.rfind('.') != 0)) ||
            (ending == kBias && (isLora || !isOfNorm(name)))) {
            return {};
        }
        return {kind, isLora ? name : name + std::string(ending)};
    }
    for (const std::string_view other : {".lora_", ".base_layer", ".token_adapter"}) {
        if (module.find(other) != std::string_view::npos) {
            return {};
        }
    }
    return ending == kBias && !isOfNorm(module) ? TensorRole{}
                                                : TensorRole{Kind::Replaced, std::string(key)};
}

/// A copy that does not depend on the file. Narrow numbers are widened: merging and training start
/// from them.
at::Tensor loaded(const SafetensorsFile& file, const std::string& key)
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
    std::error_code ignored;
    if (!std::filesystem::exists(folder / kTensorFile, ignored)) {
        const bool hasPickle = std::filesystem::exists(folder / "adapter_model.bin", ignored);
        throw DataError("There is no " + std::string(kTensorFile) + " in " + folder.string(),
                        hasPickle
                            ? "adapter_model.bin is not read: save the adapter as safetensors."
                            : "Name the folder of a PEFT adapter.");
    }
    return folder / kTensorFile;
}

} // namespace

Adapter readAdapter(const std::filesystem::path& folder)
{
    using Kind = TensorRole::Kind;
    const c10::NoGradGuard noGradients;
    const PeftConfig config = PeftConfig::read(folder / kConfigFile);
    const SafetensorsFile file = SafetensorsFile::open(tensorFile(folder));
    const std::string name = file.path().string();
    Adapter adapter;
    adapter.baseModel = config.baseModel;
    adapter.savedModules = config.modulesToSave;
    adapter.keepsTying = config.keepsTying;
    adapter.origin = readAdapterOrigin(folder);
    for (const auto& [key, entry] : file.entries()) {
        const TensorRole role = roleOf(key);
        if (role.kind == Kind::Ignored) {
            continue;
        }
        if (role.kind == Kind::Unknown) {
            throw FormatError(name, "tensor " + key, "is of a kind that is not supported",
                              "Supported: lora_A and lora_B of linear maps, and whole weights.");
        }
        at::Tensor& place = role.kind == Kind::Replaced ? adapter.replaced[role.name]
                            : role.kind == Kind::LoraA  ? adapter.pairs[role.name].a
                                                        : adapter.pairs[role.name].b;
        if (place.defined()) {
            throw FormatError(name, "tensor " + key, "stands twice under different spellings");
        }
        place = loaded(file, key);
    }
    if (adapter.pairs.empty() && adapter.replaced.empty()) {
        throw FormatError(name, {}, "holds no tensors");
    }
    for (auto& [module, pair] : adapter.pairs) {
        const PeftConfig::Shape shape = config.shapeOf(module);
        requireWholePair(pair, module, shape.rank, name);
        pair.scale = shape.scale;
    }
    takeNeoxHead(adapter);
    requireSavedModules(adapter, name);
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
    if (description.origin) {
        writeAdapterOrigin(folder, *description.origin);
    }
    // Last: a folder with this file is a whole adapter.
    writeFileAtomically(folder / kConfigFile, peftConfigJson(description, pairs, replaced));
}

} // namespace longlora
