// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter_attach.h"

#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace longlora {

namespace {

[[noreturn]] void throwOtherBase(const Adapter& adapter, const std::string& what)
{
    throw DataError("The adapter is of another base model: " + what,
                    adapter.baseModel.empty()
                        ? std::string("Use the model it was trained on.")
                        : "It says it was trained on " + adapter.baseModel + ".");
}

using Table = std::map<std::string, WeightShape>;

/// The base's weights by name, a head among them also where it is tied: it may be replaced by one
/// of its own.
Table tableOf(ModelConfig base)
{
    base.tiedEmbeddings = false;
    Table table;
    for (WeightShape& shape : weightShapes(base)) {
        std::string name = shape.name;
        table.emplace(std::move(name), std::move(shape));
    }
    return table;
}

void requireShapes(const Table& table, const Adapter& adapter)
{
    for (const auto& [module, pair] : adapter.pairs) {
        const auto weight = table.find(module + ".weight");
        if (weight == table.end()) {
            throwOtherBase(adapter, "it has no module " + module);
        }
        if (!isLayerLinear(weight->second.part)) {
            throw DataError("The adapter has a low-rank update of " + module +
                                ", which is not supported",
                            "Supported: the linear maps of the layers.");
        }
        const std::vector<std::int64_t> sizes{pair.b.size(0), pair.a.size(1)};
        if (sizes != weight->second.sizes) {
            throwOtherBase(adapter, fmt::format("{} is [{}], the adapter's update [{}]", module,
                                                fmt::join(weight->second.sizes, ", "),
                                                fmt::join(sizes, ", ")));
        }
    }
    for (const auto& [name, tensor] : adapter.replaced) {
        const auto weight = table.find(name);
        if (weight == table.end()) {
            throwOtherBase(adapter, "it has no weight " + name);
        }
        if (!tensor.sizes().equals(weight->second.sizes)) {
            throwOtherBase(adapter, fmt::format("{} is [{}], the adapter's [{}]", name,
                                                fmt::join(weight->second.sizes, ", "),
                                                fmt::join(tensor.sizes(), ", ")));
        }
    }
}

/// modules_to_save means every module whose name ends so, with all its tensors ("norm": all norms
/// of the layers, those of q and k among them, and the last). A model with some of them missing
/// would be silently wrong.
void requireSavedModules(const Table& table, const Adapter& adapter)
{
    for (const auto& [name, shape] : table) {
        const bool staysTied = shape.part == ModelPart::Head && adapter.keepsTying;
        if (adapter.replaced.contains(name) || staysTied) {
            continue;
        }
        for (const std::string& saved : adapter.savedModules) {
            if (shape.module().ends_with(saved)) {
                throw DataError("The adapter lacks " + name +
                                    ", though its modules_to_save lists " + saved,
                                "It is incomplete, or was made for another base model.");
            }
        }
    }
}

/// A linear or dynamic factor multiplies the model's context by itself; the other kinds leave it to
/// max_position_embeddings to say how far they reach.
void takeRope(ModelConfig& config, const AdapterOrigin& origin)
{
    config.rope = origin.rope;
    const bool factorCounts =
        origin.rope.kind == RopeKind::Linear || origin.rope.kind == RopeKind::Dynamic;
    if (!factorCounts) {
        config.maxPositionEmbeddings =
            std::max({config.maxPositionEmbeddings, config.contextLength(), origin.contextLength});
    }
}

/// PEFT writes head and embedding also where it kept them tied: then they must be equal.
void requireTiedHead(const Adapter& adapter, const at::Tensor& head, const std::string& embedding)
{
    const auto found = adapter.replaced.find(embedding);
    if (found == adapter.replaced.end() || !at::equal(found->second, head)) {
        throw DataError(
            "The adapter keeps head and embedding tied (ensure_weight_tying) and brings "
            "a head of its own");
    }
}

} // namespace

ModelConfig configWithAdapter(const ModelConfig& base, const Adapter& adapter,
                              const std::string& modelFingerprint)
{
    const Table table = tableOf(base);
    requireShapes(table, adapter);
    requireSavedModules(table, adapter);
    ModelConfig config = base;
    if (adapter.origin) {
        const AdapterOrigin& origin = *adapter.origin;
        if (!origin.fingerprint.empty() && !modelFingerprint.empty() &&
            origin.fingerprint != modelFingerprint) {
            throwOtherBase(adapter, "the weights differ (fingerprint " +
                                        modelFingerprint.substr(0, 12) + ", trained on " +
                                        origin.fingerprint.substr(0, 12) + ")");
        }
        if (base.rope != origin.rope && base.rope != origin.baseRope) {
            throw DataError("The adapter was trained with the rotary embedding " +
                                describeRope(origin.rope) + " on a base with " +
                                describeRope(origin.baseRope) + "; this model has " +
                                describeRope(base.rope),
                            "Use the base the adapter was trained on, or set the model's rotary "
                            "embedding to the adapter's.");
        }
        takeRope(config, origin);
    }
    const auto head = adapter.replaced.find(weightName(base, ModelPart::Head));
    const bool replacesHead = head != adapter.replaced.end();
    const std::string embedding = weightName(base, ModelPart::Embedding);
    if (base.tiedEmbeddings && adapter.keepsTying && replacesHead) {
        requireTiedHead(adapter, head->second, embedding);
    }
    const bool replacesEnd = replacesHead || adapter.replaced.contains(embedding);
    config.tiedEmbeddings = base.tiedEmbeddings && (adapter.keepsTying || !replacesEnd);
    return config;
}

void attachAdapter(DecoderModel& model, const Adapter& adapter, const std::string& modelFingerprint)
{
    ModelConfig base = model.config;
    base.tiedEmbeddings = model.headIsTied();
    model.config = configWithAdapter(base, adapter, modelFingerprint);
    const auto placed = [device = model.device(), dtype = model.dtype()](const at::Tensor& tensor) {
        return tensor.to(device, dtype, /*non_blocking=*/false, /*copy=*/true);
    };
    forEachLinear(model, [&](const WeightShape& shape, LoraLinear& linear) {
        if (const auto pair = adapter.pairs.find(shape.module()); pair != adapter.pairs.end()) {
            linear.lora =
                LoraPair{placed(pair->second.a), placed(pair->second.b), pair->second.scale};
        }
    });
    // The head is not among the weights while it is tied, and changes whether it is.
    const at::Tensor oldHead = model.lmHead;
    forEachWeight(model, [&](const WeightShape& shape, at::Tensor& weight) {
        const auto found = adapter.replaced.find(shape.name);
        if (found != adapter.replaced.end() && shape.part != ModelPart::Head) {
            weight = placed(found->second);
        }
    });
    const auto head = adapter.replaced.find(weightName(model.config, ModelPart::Head));
    model.lmHead = model.config.tiedEmbeddings      ? model.embedTokens
                   : head != adapter.replaced.end() ? placed(head->second)
                                                    : oldHead;
}

} // namespace longlora
