// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/model_weights.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>
#include <string_view>
#include <utility>

namespace longlora {

namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";

std::string moduleName(const ModelFamily& family, ModelPart part, std::int64_t layer)
{
    const std::string module(family.module(part));
    return isEnd(part) ? module
                       : std::string(family.layerPrefix) + std::to_string(layer) + "." + module;
}

/// Rows of the table for one layer (or the ends: -1).
class WeightList {
public:
    WeightList(const ModelConfig& config, std::int64_t layer)
        : m_family(familyOf(config))
        , m_layer(layer)
    {}
    void addMatrix(ModelPart part, std::int64_t outputs, std::int64_t inputs, bool hasBias = false)
    {
        add(part, kWeight, {outputs, inputs});
        if (hasBias) {
            add(part, kBias, {outputs});
        }
    }
    void addNorm(ModelPart part, std::int64_t width, NormKind kind)
    {
        add(part, kWeight, {width});
        if (kind == NormKind::Layer) {
            add(part, kBias, {width});
        }
    }
    std::vector<WeightShape> take() { return std::move(m_shapes); }

private:
    void add(ModelPart part, std::string_view ending, std::vector<std::int64_t> sizes)
    {
        std::string name = moduleName(m_family, part, m_layer) + std::string(ending);
        m_shapes.push_back({std::move(name), std::move(sizes), part, m_layer, ending == kBias});
    }

    const ModelFamily& m_family;
    std::int64_t m_layer;
    std::vector<WeightShape> m_shapes;
};

std::int64_t numbersIn(const std::vector<WeightShape>& shapes)
{
    return std::transform_reduce(shapes.begin(), shapes.end(), std::int64_t{0}, std::plus{},
                                 [](const WeightShape& shape) { return shape.count(); });
}

std::vector<WeightShape> endWeightShapes(const ModelConfig& config)
{
    WeightList list(config, -1);
    list.addMatrix(ModelPart::Embedding, config.vocabularySize, config.hiddenSize);
    list.addNorm(ModelPart::FinalNorm, config.hiddenSize, config.norm);
    if (!config.tiedEmbeddings) {
        list.addMatrix(ModelPart::Head, config.vocabularySize, config.hiddenSize);
    }
    return list.take();
}

} // namespace

std::int64_t WeightShape::count() const
{
    return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies{});
}

std::string WeightShape::module() const
{
    return name.substr(0, name.size() - (isBias ? kBias : kWeight).size());
}

std::vector<WeightShape> layerWeightShapes(const ModelConfig& config, std::int64_t layer)
{
    const std::int64_t hidden = config.hiddenSize;
    const std::int64_t queryWidth = config.headCount * config.headDim;
    const std::int64_t kvWidth = config.kvHeadCount * config.headDim;
    WeightList list(config, layer);
    list.addNorm(ModelPart::InputNorm, hidden, config.norm);
    if (config.fusedQueryKeyValue) {
        list.addMatrix(ModelPart::QueryKeyValue, queryWidth + 2 * kvWidth, hidden,
                       config.queryKeyValueBias);
    } else {
        list.addMatrix(ModelPart::Query, queryWidth, hidden, config.queryKeyValueBias);
        list.addMatrix(ModelPart::Key, kvWidth, hidden, config.queryKeyValueBias);
        list.addMatrix(ModelPart::Value, kvWidth, hidden, config.queryKeyValueBias);
    }
    if (config.queryKeyNorm) {
        list.addNorm(ModelPart::QueryNorm, config.headDim, NormKind::Rms);
        list.addNorm(ModelPart::KeyNorm, config.headDim, NormKind::Rms);
    }
    list.addMatrix(ModelPart::AttentionOutput, hidden, queryWidth, config.attentionOutputBias);
    if (config.gatedMlp) {
        list.addMatrix(ModelPart::Gate, config.intermediateSize, hidden, config.mlpBias);
    }
    list.addMatrix(ModelPart::Up, config.intermediateSize, hidden, config.mlpBias);
    list.addMatrix(ModelPart::Down, hidden, config.intermediateSize, config.mlpBias);
    list.addNorm(ModelPart::PostAttentionNorm, hidden, config.norm);
    return list.take();
}

std::vector<WeightShape> weightShapes(const ModelConfig& config)
{
    std::vector<WeightShape> ends = endWeightShapes(config);
    std::vector<WeightShape> shapes{std::move(ends.front())};
    for (std::int64_t layer = 0; layer < config.layerCount; ++layer) {
        for (WeightShape& shape : layerWeightShapes(config, layer)) {
            shapes.push_back(std::move(shape));
        }
    }
    std::move(ends.begin() + 1, ends.end(), std::back_inserter(shapes));
    return shapes;
}

std::string weightName(const ModelConfig& config, ModelPart part, std::int64_t layer)
{
    return moduleName(familyOf(config), part, layer) + std::string(kWeight);
}

std::vector<std::string> loraTargets(const ModelConfig& config, bool onlyAttention)
{
    std::vector<std::string> names;
    for (const WeightShape& shape : layerWeightShapes(config, 0)) {
        const bool isWanted =
            onlyAttention ? isAttentionLinear(shape.part) : isLayerLinear(shape.part);
        if (isWanted && !shape.isBias) {
            names.emplace_back(familyOf(config).loraName(shape.part));
        }
    }
    return names;
}

std::vector<std::string> knownLoraTargets()
{
    std::vector<std::string> names;
    for (const ModelFamily& family : modelFamilies()) {
        for (std::size_t i = 0; i < kModelPartCount; ++i) {
            const auto part = static_cast<ModelPart>(i);
            const std::string name(family.loraName(part));
            const bool isKnown = std::find(names.begin(), names.end(), name) != names.end();
            if (isLayerLinear(part) && !name.empty() && !isKnown) {
                names.push_back(name);
            }
        }
    }
    return names;
}

std::int64_t ModelConfig::parameterCount() const
{
    return numbersIn(endWeightShapes(*this)) + layerCount * numbersIn(layerWeightShapes(*this, 0));
}

} // namespace longlora
