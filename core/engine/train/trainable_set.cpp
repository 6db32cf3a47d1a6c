// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/trainable_set.h"

#include "core/spec/base/error.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>
#include <cmath>

namespace longlora {

namespace {

bool isNorm(const std::string& weightName)
{
    return weightName.find("norm") != std::string::npos;
}

bool isTarget(const std::string& module, const std::vector<std::string>& targets)
{
    return std::any_of(targets.begin(), targets.end(),
                       [&](const std::string& target) { return module.ends_with("." + target); });
}

/// The decoder layer of "model.layers.N....", or -1.
std::int64_t layerOf(const std::string& name)
{
    constexpr std::string_view prefix = "model.layers.";
    return name.starts_with(prefix) ? std::stoll(name.substr(prefix.size())) : -1;
}

} // namespace

TrainableSet::TrainableSet(DecoderModel& model, const RunConfig& config)
{
    if (config.method == TrainingMethod::Full) {
        m_headIsTied = model.headIsTied();
        forEachWeight(model, [&](const std::string& name, at::Tensor& weight) {
            add(name, weight, 1.0, !isNorm(name));
        });
        if (m_headIsTied) {
            model.lmHead = model.embedTokens;
        }
    } else {
        addLora(model, config);
    }
    if (m_items.empty()) {
        throw ConfigError("nothing is trained: no LoRA target, no embeddings, no norms",
                          "name at least one of lora.targets, or set lora.train_embeddings");
    }
    indexLayers(model.layers.size());
}

void TrainableSet::addLora(DecoderModel& model, const RunConfig& config)
{
    const LoraConfig& lora = config.lora;
    m_loraScale = lora.alpha / static_cast<double>(lora.rank);
    auto generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(config.seed));
    if (lora.trainEmbeddings) {
        // The frozen head keeps the tensor it shares with a tied embedding.
        model.embedTokens = model.embedTokens.clone();
    }
    forEachLinear(model, [&](const std::string& module, LoraLinear& linear) {
        if (!isTarget(module, lora.targets)) {
            return;
        }
        const std::int64_t inputs = linear.weight.size(1);
        const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
        at::Tensor a =
            at::empty({lora.rank, inputs}, at::kFloat).uniform_(-bound, bound, generator);
        linear.lora = LoraPair{
            a.to(linear.weight.options()),
            at::zeros({linear.weight.size(0), lora.rank}, linear.weight.options()), m_loraScale};
        add(module + ".lora_A", linear.lora->a, 1.0, true);
        add(module + ".lora_B", linear.lora->b, lora.bLearningRateRatio, true);
    });
    forEachWeight(model, [&](const std::string& name, at::Tensor& weight) {
        const bool isEmbedding = name == "model.embed_tokens.weight";
        if ((isEmbedding && lora.trainEmbeddings) || (isNorm(name) && lora.trainNorms)) {
            add(name, weight, 1.0, isEmbedding);
        }
    });
}

void TrainableSet::add(std::string name, at::Tensor& weight, double ratio, bool decays)
{
    const auto wide = weight.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor master = weight.scalar_type() == wide ? weight : weight.to(wide);
    m_byName[name] = m_items.size();
    m_items.push_back({std::move(name), weight, master, at::zeros_like(master), ratio, decays});
}

void TrainableSet::indexLayers(std::size_t layerCount)
{
    m_ofLayer.resize(layerCount);
    for (std::size_t i = 0; i < m_items.size(); ++i) {
        const std::int64_t layer = layerOf(m_items[i].name);
        if (layer >= 0) {
            m_ofLayer[static_cast<std::size_t>(layer)].push_back(i);
            m_items[i].weight.requires_grad_(true);
        }
    }
}

at::Tensor TrainableSet::gradientOf(const std::string& name) const
{
    const auto found = m_byName.find(name);
    return found == m_byName.end() ? at::Tensor() : m_items[found->second].gradient;
}

at::Tensor TrainableSet::headGradient() const
{
    return m_headIsTied ? embeddingGradient() : gradientOf("lm_head.weight");
}

void TrainableSet::zeroGradients()
{
    for (Trainable& item : m_items) {
        item.gradient.zero_();
    }
}

void TrainableSet::publish()
{
    for (Trainable& item : m_items) {
        if (!item.master.is_same(item.weight)) {
            item.weight.detach().copy_(item.master);
        }
    }
}

std::int64_t TrainableSet::parameterCount() const
{
    std::int64_t count = 0;
    for (const Trainable& item : m_items) {
        count += item.master.numel();
    }
    return count;
}

std::map<std::string, LoraPair> TrainableSet::pairs() const
{
    std::map<std::string, LoraPair> result;
    for (const Trainable& item : m_items) {
        const std::string module = item.name.substr(0, item.name.rfind('.'));
        if (item.name.ends_with(".lora_A")) {
            result[module].a = item.master.detach();
            result[module].scale = m_loraScale;
        } else if (item.name.ends_with(".lora_B")) {
            result[module].b = item.master.detach();
        }
    }
    return result;
}

std::map<std::string, at::Tensor> TrainableSet::wholeWeights() const
{
    std::map<std::string, at::Tensor> result;
    for (const Trainable& item : m_items) {
        if (item.name.ends_with(".weight")) {
            result[item.name] = item.master.detach();
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
        if (value->second.sizes() != item.master.sizes()) {
            throw ConfigError("the initial adapter has another shape of " + item.name,
                              "it was made for another base model or rank");
        }
        item.master.detach().copy_(value->second);
    }
    publish();
}

} // namespace longlora
