// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/trainable_set.h"

#include "core/engine/tensor/kernel_bridge.h"
#include "core/spec/base/error.h"
#include "core/spec/plan/embedding_rows.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>
#include <cmath>

namespace longlora {

namespace {

at::Tensor uniformMatrix(std::int64_t rank, std::int64_t inputs, const at::TensorOptions& options,
                         at::Generator& generator)
{
    const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
    return at::empty({rank, inputs}, at::kFloat).uniform_(-bound, bound, generator).to(options);
}

at::ScalarType wideType(const at::Tensor& weight)
{
    return weight.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// The rows of a trained embedding that masters, gradients and moments are kept of. Undefined where
/// keeping all takes less, because then the weight is its own master.
at::Tensor embeddingRows(const DecoderModel& model, const std::vector<std::int64_t>& tokens)
{
    const at::Tensor& weight = model.embedTokens;
    const bool isOwnMaster = weight.scalar_type() == wideType(weight);
    const auto count = static_cast<std::int64_t>(tokens.size());
    if (tokens.empty() || embeddingRowsKept(weight.size(0), count, isOwnMaster) == weight.size(0)) {
        return {};
    }
    return at::tensor(tokens, at::kLong).to(weight.device());
}

/// All rows of the weight as the optimizer has them.
at::Tensor wholeMaster(const Trainable& item)
{
    if (!item.rows.defined()) {
        return item.master.detach();
    }
    const at::Tensor whole =
        item.otherRows.detach()
            .to(item.master.device(), item.master.scalar_type(), false, /*copy=*/true)
            .mul_(item.otherRowsFactor);
    whole.index_copy_(0, item.rows, item.master.detach());
    return whole;
}

} // namespace

TrainableSet::TrainableSet(DecoderModel& model, const RunConfig& config,
                           const std::vector<std::int64_t>& tokens)
{
    m_gradients.config = model.config;
    m_gradients.layers.resize(model.layers.size());
    if (config.method == TrainingMethod::Full) {
        const bool headIsTied = model.headIsTied();
        forEachWeight(
            model, [&](const WeightShape& shape, at::Tensor& weight) { addWhole(shape, weight); });
        if (headIsTied) {
            model.lmHead = model.embedTokens;
            m_gradients.lmHead = m_gradients.embedTokens;
        }
    } else {
        addLora(model, config, tokens);
    }
    if (m_items.empty()) {
        throw ConfigError("nothing is trained: no LoRA target, no embeddings, no norms",
                          "name at least one of lora.targets, or set lora.train_embeddings");
    }
}

void TrainableSet::addLora(DecoderModel& model, const RunConfig& config,
                           const std::vector<std::int64_t>& tokens)
{
    const LoraConfig& lora = config.lora;
    m_embeddingRows = embeddingRows(model, tokens);
    if (lora.trainEmbeddings) {
        // The frozen head keeps the tensor it shares with a tied embedding.
        model.embedTokens = model.embedTokens.clone();
    }
    addLowRank(model, config);
    forEachWeight(model, [&](const WeightShape& shape, at::Tensor& weight) {
        if (shape.part == ModelPart::Embedding && lora.trainEmbeddings) {
            addWhole(shape, weight, m_embeddingRows);
        } else if (isNorm(shape.part) && lora.trainNorms) {
            addWhole(shape, weight);
        }
    });
}

void TrainableSet::addLowRank(DecoderModel& model, const RunConfig& config)
{
    const LoraConfig& lora = config.lora;
    m_loraScale = lora.alpha / static_cast<double>(lora.rank);
    auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(config.seed));
    const ModelFamily& family = familyOf(model.config);
    const auto isTarget = [&](const WeightShape& shape) {
        return std::find(lora.targets.begin(), lora.targets.end(), family.loraName(shape.part)) !=
               lora.targets.end();
    };
    const at::TensorOptions options = model.embedTokens.options();
    const at::TensorOptions wide = options.dtype(wideType(model.embedTokens));
    forEachLinear(model, [&](const WeightShape& shape, LoraLinear& linear) {
        if (isTarget(shape)) {
            linear.lora = LoraPair{uniformMatrix(lora.rank, shape.sizes[1], options, generator),
                                   at::zeros({shape.sizes[0], lora.rank}, options), m_loraScale};
        }
    });
    forEachLinear(m_gradients, [&](const WeightShape& shape, LoraLinear& gradients) {
        if (isTarget(shape)) {
            gradients.lora = LoraPair{at::zeros({lora.rank, shape.sizes[1]}, wide),
                                      at::zeros({shape.sizes[0], lora.rank}, wide), m_loraScale};
        }
    });
    for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
        stackLora(model.layers[layer], model.config);
        stackLora(m_gradients.layers[layer], model.config);
    }
    addPairs(model, config);
}

void TrainableSet::addPairs(DecoderModel& model, const RunConfig& config)
{
    std::vector<LoraPair> gradients;
    forEachLinear(m_gradients, [&](const WeightShape&, const LoraLinear& linear) {
        if (linear.lora) {
            gradients.push_back(*linear.lora);
        }
    });
    std::size_t next = 0;
    forEachLinear(model, [&](const WeightShape& shape, const LoraLinear& linear) {
        if (linear.lora) {
            addPair(shape.module(), *linear.lora, gradients[next++], config.lora);
        }
    });
}

void TrainableSet::addWhole(const WeightShape& shape, at::Tensor& weight, const at::Tensor& rows)
{
    Trainable item;
    item.name = shape.name;
    item.isWhole = true;
    item.weight = weight;
    item.rows = rows;
    item.otherRows = rows.defined() ? weight : at::Tensor();
    item.decays = !isNorm(shape.part) && !shape.isBias;
    weightTensor(m_gradients, shape) = add(std::move(item)).gradient;
}

void TrainableSet::addPair(const std::string& module, const LoraPair& pair,
                           const LoraPair& gradients, const LoraConfig& config)
{
    Trainable item;
    item.name = module + ".lora_A";
    item.weight = pair.a;
    item.gradient = gradients.a;
    add(item);
    item.name = module + ".lora_B";
    item.weight = pair.b;
    item.gradient = gradients.b;
    item.learningRateRatio = config.bLearningRateRatio;
    add(item);
}

const Trainable& TrainableSet::add(Trainable item)
{
    const at::Tensor held =
        item.rows.defined() ? item.weight.index_select(0, item.rows) : item.weight;
    item.master = held.to(wideType(held)).contiguous();
    if (!item.gradient.defined()) {
        item.gradient = at::zeros_like(item.master);
    }
    m_byName[item.name] = m_items.size();
    m_items.push_back(std::move(item));
    return m_items.back();
}

bool TrainableSet::covers(const std::vector<std::int64_t>& tokens) const
{
    if (!m_embeddingRows.defined()) {
        return true;
    }
    const at::Tensor wanted = at::tensor(tokens, at::kLong);
    return at::isin(wanted, m_embeddingRows.cpu()).all().item<bool>();
}

void TrainableSet::zeroGradients()
{
    for (Trainable& item : m_items) {
        item.gradient.zero_();
    }
}

void TrainableSet::addEmbeddingGradient(const at::Tensor& ids, const at::Tensor& gradient_Td)
{
    const at::Tensor& sum = m_gradients.embedTokens;
    if (!sum.defined()) {
        return;
    }
    const at::Tensor& rows = m_embeddingRows;
    const at::Tensor index = ids.flatten();
    addToRows(sum, rows.defined() ? at::searchsorted(rows, index) : index, gradient_Td);
}

void TrainableSet::publish()
{
    for (Trainable& item : m_items) {
        if (item.rows.defined()) {
            item.weight.detach().index_copy_(0, item.rows,
                                             item.master.detach().to(item.weight.scalar_type()));
        } else if (!item.master.is_same(item.weight)) {
            item.weight.detach().copy_(item.master);
        }
    }
}

std::int64_t TrainableSet::parameterCount() const
{
    std::int64_t count = 0;
    for (const Trainable& item : m_items) {
        count += item.weight.numel();
    }
    return count;
}

std::map<std::string, LoraPair> TrainableSet::pairs() const
{
    std::map<std::string, LoraPair> result;
    for (const Trainable& item : m_items) {
        const std::string module = item.name.substr(0, item.name.rfind('.'));
        if (item.isWhole) {
            continue;
        }
        if (item.name.ends_with(".lora_A")) {
            result[module].a = item.master.detach();
            result[module].scale = m_loraScale;
        } else {
            result[module].b = item.master.detach();
        }
    }
    return result;
}

std::map<std::string, at::Tensor> TrainableSet::wholeWeights() const
{
    std::map<std::string, at::Tensor> result;
    for (const Trainable& item : m_items) {
        if (item.isWhole) {
            result[item.name] = wholeMaster(item);
        }
    }
    return result;
}

void TrainableSet::assign(const std::map<std::string, LoraPair>& pairs,
                          const std::map<std::string, at::Tensor>& wholeWeights)
{
    std::map<std::string, at::Tensor> values(wholeWeights.begin(), wholeWeights.end());
    for (const auto& [module, pair] : pairs) {
        values[module + ".lora_A"] = pair.a;
        values[module + ".lora_B"] = pair.b;
        if (std::abs(pair.scale - m_loraScale) > 1e-9) {
            throw ConfigError("the initial adapter scales " + module + " by " +
                                  std::to_string(pair.scale) + ", this run by " +
                                  std::to_string(m_loraScale),
                              "set lora.rank and lora.alpha as the adapter was made");
        }
    }
    for (const auto& [name, value] : values) {
        if (m_byName.find(name) == m_byName.end()) {
            throw ConfigError("the initial adapter trains " + name + ", this run does not",
                              "set lora.targets, train_embeddings and train_norms as it was made");
        }
    }
    for (Trainable& item : m_items) {
        const auto value = values.find(item.name);
        if (value == values.end()) {
            throw ConfigError("the initial adapter has no " + item.name,
                              "set lora.targets, train_embeddings and train_norms as it was made");
        }
        if (value->second.sizes() != item.weight.sizes()) {
            throw ConfigError("the initial adapter has another shape of " + item.name,
                              "it was made for another base model or rank");
        }
        if (item.rows.defined()) {
            item.otherRows = value->second;
            item.weight.detach().copy_(value->second);
            item.master.detach().copy_(value->second.index_select(0, item.rows.cpu()));
        } else {
            item.master.detach().copy_(value->second);
        }
    }
    publish();
}

} // namespace longlora
