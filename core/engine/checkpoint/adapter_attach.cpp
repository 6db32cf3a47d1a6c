// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/adapter_attach.h"

#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>

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

/// Rows of embedding and head under the adapter. More than the base has them where it is known what
/// stands in the head's: PEFT writes both after a resize, LongLoRA takes the mean, a tied head is
/// the embedding.
std::int64_t vocabularyUnder(const Adapter& adapter, const ModelConfig& base)
{
    const auto rowsOf = [&](ModelPart part) {
        const auto found = adapter.replaced.find(weightName(base, part));
        const bool isMatrix = found != adapter.replaced.end() && found->second.dim() == 2;
        return isMatrix ? found->second.size(0) : 0;
    };
    const std::int64_t rows = rowsOf(ModelPart::Embedding);
    const std::int64_t headRows = rowsOf(ModelPart::Head);
    const bool isHeadKnown =
        headRows == rows ||
        (headRows == 0 && (adapter.addsVocabulary || (base.tiedEmbeddings && adapter.keepsTying)));
    return rows > base.vocabularySize && isHeadKnown ? rows : base.vocabularySize;
}

/// The base's weights by name, with `vocabulary` rows at both ends, and a head among them also
/// where it is tied: it may be replaced by one of its own.
Table tableOf(ModelConfig base, std::int64_t vocabulary)
{
    base.tiedEmbeddings = false;
    base.vocabularySize = vocabulary;
    Table table;
    for (WeightShape& shape : weightShapes(base)) {
        std::string name = shape.name;
        table.emplace(std::move(name), std::move(shape));
    }
    return table;
}

void requireSize(const Adapter& adapter, const WeightShape& weight,
                 const std::vector<std::int64_t>& sizes, const char* what)
{
    if (sizes != weight.sizes) {
        throwOtherBase(adapter,
                       fmt::format("{} is [{}], the adapter's{} [{}]", weight.name,
                                   fmt::join(weight.sizes, ", "), what, fmt::join(sizes, ", ")));
    }
}

/// Updates and rows of embedding and head.
void requireEnds(const Table& table, const Adapter& adapter)
{
    for (const auto& [module, pair] : adapter.embeddingPairs) {
        const auto weight = table.find(module + ".weight");
        if (weight == table.end() || weight->second.part != ModelPart::Embedding) {
            throwOtherBase(adapter, "it has no embedding " + module);
        }
        requireSize(adapter, weight->second, {pair.a.size(1), pair.b.size(0)}, " update");
    }
    for (const auto& [name, rows] : adapter.rows) {
        const auto weight = table.find(name);
        if (weight == table.end() || !isEnd(weight->second.part)) {
            throwOtherBase(adapter, "it has no embedding or head " + name);
        }
        const std::int64_t vocabulary = weight->second.sizes.front();
        requireSize(adapter, weight->second, {vocabulary, rows.values.size(1)}, " rows");
        const auto last = std::max_element(rows.tokens.begin(), rows.tokens.end());
        if (last != rows.tokens.end() && *last >= vocabulary) {
            throwOtherBase(adapter, fmt::format("token {} was trained, but {} has {} rows", *last,
                                                name, vocabulary));
        }
    }
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

/// Whether the head is still the embedding. PEFT trains the rows of a tied pair in both; an update
/// of the embedding in the embedding only.
bool staysTied(const ModelConfig& base, const Adapter& adapter)
{
    const std::string embedding = weightName(base, ModelPart::Embedding);
    const auto head = adapter.replaced.find(weightName(base, ModelPart::Head));
    const bool replacesHead = head != adapter.replaced.end();
    const bool changesEnd =
        replacesHead || !adapter.embeddingPairs.empty() || adapter.replaced.contains(embedding);
    if (!base.tiedEmbeddings) {
        if (adapter.headRowsAreTied) {
            throwOtherBase(adapter, "the adapter has trained rows for a tied head only");
        }
        return false;
    }
    if (adapter.keepsTying && replacesHead) {
        requireTiedHead(adapter, head->second, embedding);
    }
    if (adapter.keepsTying && !adapter.embeddingPairs.empty()) {
        throw DataError("The adapter has a low-rank update of an embedding that stays tied "
                        "(ensure_weight_tying), which is not supported");
    }
    if (adapter.rows.contains(weightName(base, ModelPart::Head)) ||
        (!adapter.rows.empty() && changesEnd)) {
        throw DataError("The adapter changes rows of one end of a tied pair "
                        "(trainable_token_indices), which is not supported");
    }
    return adapter.keepsTying || !changesEnd;
}

} // namespace

ModelConfig configWithAdapter(const ModelConfig& base, const Adapter& adapter,
                              const std::string& modelFingerprint)
{
    ModelConfig config = base;
    config.vocabularySize = vocabularyUnder(adapter, base);
    const Table table = tableOf(base, config.vocabularySize);
    requireShapes(table, adapter);
    requireEnds(table, adapter);
    requireSavedModules(table, adapter);
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
    config.tiedEmbeddings = staysTied(base, adapter);
    return config;
}

void foldEnds(Adapter& adapter, const ModelConfig& config,
              const std::function<at::Tensor(const std::string& name)>& stored)
{
    const c10::NoGradGuard noGradients;
    for (const ModelPart part : {ModelPart::Embedding, ModelPart::Head}) {
        if (part == ModelPart::Head && config.tiedEmbeddings) {
            continue;
        }
        const std::string name = weightName(config, part);
        const auto replaced = adapter.replaced.find(name);
        const at::Tensor before =
            replaced != adapter.replaced.end() ? replaced->second : stored(name);
        const auto rows = adapter.rows.find(name);
        const bool hasUpdate = part == ModelPart::Embedding && !adapter.embeddingPairs.empty();
        const std::int64_t newRows = config.vocabularySize - before.size(0);
        if (!hasUpdate && rows == adapter.rows.end() && newRows == 0) {
            continue;
        }
        const at::ScalarType wide = before.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
        const at::TensorOptions options = before.options().dtype(wide);
        at::Tensor after = before.to(wide, /*non_blocking=*/false, /*copy=*/true);
        if (hasUpdate) {
            const LoraPair& pair = adapter.embeddingPairs.begin()->second;
            after.addmm_(pair.a.to(options).t(), pair.b.to(options).t(), 1.0, pair.scale);
        }
        if (rows != adapter.rows.end()) {
            after.index_copy_(0, at::tensor(rows->second.tokens, options.dtype(at::kLong)),
                              rows->second.values.to(options));
        }
        if (newRows > 0) {
            const at::Tensor mean = after.mean(0, /*keepdim=*/true);
            after = at::cat({after, mean.expand({newRows, mean.size(1)})});
        }
        adapter.replaced[name] = after;
    }
    adapter.embeddingPairs.clear();
    adapter.rows.clear();
}

void attachAdapter(DecoderModel& model, const Adapter& original,
                   const std::string& modelFingerprint)
{
    ModelConfig base = model.config;
    base.tiedEmbeddings = model.headIsTied();
    model.config = configWithAdapter(base, original, modelFingerprint);
    Adapter adapter = original; // shares the tensors
    foldEnds(adapter, model.config, [&](const std::string& name) {
        return name == weightName(base, ModelPart::Head) ? model.lmHead : model.embedTokens;
    });
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
