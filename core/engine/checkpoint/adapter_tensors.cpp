// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter_tensors.h"

#include <array>
#include <utility>

namespace longlora {

namespace {

using Kind = TensorRole::Kind;

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";

/// A trained norm may have a bias; a bias of anything else is a variant of LoRA.
bool isOfNorm(std::string_view module)
{
    return module.ends_with("norm");
}

struct Mark {
    std::string_view text;
    Kind kind;
    bool hasEnding; ///< ".weight" or ".bias" follows
};
constexpr std::array<Mark, 8> kMarks = {{
    {".lora_A", Kind::LoraA, true},
    {".lora_B", Kind::LoraB, true},
    {".modules_to_save", Kind::Replaced, true},
    {".base_layer", Kind::Replaced, true},
    {".original_module", Kind::Ignored, true},
    {".lora_embedding_A", Kind::EmbeddingA, false},
    {".lora_embedding_B", Kind::EmbeddingB, false},
    {".token_adapter.trainable_tokens_delta", Kind::TokenRows, false},
}};

/// "", or an adapter's name: one part without a dot.
bool isAdapterName(std::string_view text)
{
    return text.empty() || (text.front() == '.' && text.rfind('.') == 0);
}

/// The role of a key in which `mark` was found at `at`; `ending` is cut off.
TensorRole markedRole(std::string_view module, std::size_t at, const Mark& mark,
                      std::string_view ending)
{
    const std::string name(module.substr(0, at));
    const bool isWhole = mark.kind == Kind::Replaced || mark.kind == Kind::Ignored;
    const bool isBiasOfNorm = ending == kBias && isWhole && isOfNorm(name);
    if (!isAdapterName(module.substr(at + mark.text.size())) || mark.hasEnding == ending.empty() ||
        (ending == kBias && !isBiasOfNorm)) {
        return {};
    }
    if (mark.kind == Kind::TokenRows) {
        return {mark.kind, name + std::string(kWeight)};
    }
    return {mark.kind, isWhole ? name + std::string(ending) : name};
}

} // namespace

TensorRole tensorRole(std::string_view key, bool prefixIsOptional)
{
    if (key.starts_with(kPrefix)) {
        key.remove_prefix(kPrefix.size());
    } else if (!prefixIsOptional) {
        return {};
    }
    const std::string_view ending = key.ends_with(kBias)     ? kBias
                                    : key.ends_with(kWeight) ? kWeight
                                                             : std::string_view();
    const std::string_view module = key.substr(0, key.size() - ending.size());
    for (const Mark& mark : kMarks) {
        if (const std::size_t at = module.rfind(mark.text); at != std::string_view::npos) {
            return markedRole(module, at, mark, ending);
        }
    }
    const bool isOther = module.find(".lora_") != std::string_view::npos ||
                         module.find(".token_adapter") != std::string_view::npos;
    if (isOther || ending.empty() || (ending == kBias && !isOfNorm(module))) {
        return {};
    }
    return {Kind::Replaced, std::string(key)};
}

} // namespace longlora
