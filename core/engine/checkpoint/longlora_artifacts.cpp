// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/longlora_artifacts.h"

#include "core/engine/checkpoint/adapter_attach.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/model_folder.h"
#include "core/engine/checkpoint/output_folder.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/config/model_weights.h"

#include <ATen/Tensor.h>

#include <algorithm>

namespace longlora {

namespace {

/// The base's folder; empty if nobody named one that is here.
std::filesystem::path findBase(const LongLoraImport& request, const Adapter& adapter)
{
    if (!request.base.empty()) {
        return resolveModelFolder(request.base);
    }
    if (adapter.baseModel.empty()) {
        return {};
    }
    try {
        return resolveModelFolder(adapter.baseModel);
    } catch (const DataError&) {
        return {}; // the name of a model on somebody else's machine
    }
}

/// Linear interpolation as LongLoRA does it: the factor is rounded up, and multiplies one that the
/// base has already.
std::optional<AdapterOrigin> originOf(const LongLoraImport& request, const ModelConfig& base,
                                      const std::filesystem::path& folder)
{
    if (request.context == 0 && request.ropeFactor == 0.0) {
        return std::nullopt;
    }
    ContextConfig context;
    context.rope = ContextRope::Linear;
    context.length = request.context;
    if (request.ropeFactor > 0.0) {
        context.factor = request.ropeFactor;
    }
    AdapterOrigin origin;
    origin.baseRope = base.rope;
    origin.rope = extendedRope(base, context);
    origin.fingerprint = baseFingerprint(folder);
    ModelConfig extended = base;
    extended.rope = origin.rope;
    origin.contextLength = std::max(request.context, extended.contextLength());
    return origin;
}

/// Rank and alpha that most pairs have; the others become patterns.
LoraConfig loraOf(const Adapter& adapter)
{
    LoraConfig lora;
    if (!adapter.pairs.empty()) {
        const LoraPair& pair = adapter.pairs.begin()->second;
        lora.rank = pair.a.size(0);
        lora.alpha = pair.scale * static_cast<double>(lora.rank);
    }
    return lora;
}

std::int64_t embeddingRows(const Adapter& adapter)
{
    for (const auto& [name, tensor] : adapter.replaced) {
        if (name.ends_with("embed_tokens.weight") || name.ends_with("embed_in.weight")) {
            return tensor.size(0);
        }
    }
    return 0;
}

} // namespace

LongLoraReport importLongLora(const LongLoraImport& request)
{
    const Adapter adapter = readAdapter(request.folder);
    const std::filesystem::path base = findBase(request, adapter);
    const bool wantsRope = request.context > 0 || request.ropeFactor > 0.0;
    if (wantsRope && base.empty()) {
        throw ConfigError("A rotary embedding is that of a base model, and " +
                              (adapter.baseModel.empty() ? "none is named" : adapter.baseModel) +
                              " is not here",
                          "Name the base model with --base.");
    }
    AdapterDescription description;
    description.baseModel = adapter.baseModel;
    description.lora = loraOf(adapter);
    description.keepsTying = adapter.keepsTying;
    description.addsVocabulary = adapter.addsVocabulary;
    if (!base.empty()) {
        const ModelConfig config = readModelConfig(base);
        configWithAdapter(config, adapter, {}); // throws if it is another base
        description.origin = originOf(request, config, base);
    }

    OutputFolder output(request.output);
    writeAdapter(output.path(), description, adapter.pairs, adapter.replaced);
    LongLoraReport report;
    report.base = base.string();
    report.pairs = std::ssize(adapter.pairs);
    report.wholeWeights = std::ssize(adapter.replaced);
    report.vocabulary = embeddingRows(adapter);
    report.bytes = folderBytes(output.path());
    if (description.origin) {
        report.rope = describeRope(description.origin->rope);
        report.contextLength = description.origin->contextLength;
    }
    output.commit();
    return report;
}

} // namespace longlora
