// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge_verify.h"

#include "core/engine/attention/segmented_attention.h"
#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <fmt/format.h>

#include <algorithm>

namespace longlora {

namespace {

/// Positions whose logits exist at the same time.
constexpr std::int64_t kChunkTokens = 64;

/// mulberry32: the same text on every machine, and nothing a model could have been fitted to.
at::Tensor fixedText(std::int64_t tokens, std::int64_t vocabulary)
{
    std::uint32_t state = 20230921;
    at::Tensor ids = at::empty({1, tokens}, at::kLong);
    auto* const values = ids.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < tokens; ++i) {
        state += 0x6D2B79F5U;
        std::uint32_t z = (state ^ (state >> 15)) * (state | 1U);
        z ^= z + (z ^ (z >> 7)) * (z | 61U);
        values[i] =
            static_cast<std::int64_t>((z ^ (z >> 14)) % static_cast<std::uint32_t>(vocabulary));
    }
    return ids;
}

AttentionLayout fullLayout(const ModelConfig& config, std::int64_t length)
{
    AttentionSpec full;
    full.window = config.slidingWindow;
    return attentionLayout(full, config.headCount, 1, length);
}

/// A model of which only the layer in use is in memory.
class StreamedModel {
public:
    StreamedModel(const MergeSource& source, const at::Tensor& ids)
        : m_source(source)
        , m_layout(fullLayout(source.config(), ids.size(1)))
    {
        const ModelConfig& config = source.config();
        m_model.config = config;
        m_model.layers.resize(static_cast<std::size_t>(config.layerCount));
        m_model.embedTokens = loaded(weightName(config, ModelPart::Embedding));
        m_rotary = rotaryTable(config.rope, config.rotaryDim(), 0, ids.size(1), ids.size(1),
                               m_model.device(), m_model.dtype());
        m_hidden = embed(m_model, ids);
        if (!config.tiedEmbeddings) {
            m_model.embedTokens = at::Tensor();
        }
    }

    void runLayer(std::int64_t index)
    {
        DecoderLayer& layer = m_model.layers[static_cast<std::size_t>(index)];
        forEachWeight(m_model, [&](const WeightShape& shape, at::Tensor& weight) {
            if (shape.layer == index) {
                weight = loaded(shape.name);
            }
        });
        forEachLinear(m_model, [&](const WeightShape& shape, LoraLinear& linear) {
            const LoraPair* pair = shape.layer == index ? m_source.update(shape.name) : nullptr;
            if (pair != nullptr) {
                linear.lora = LoraPair{pair->a.to(at::kFloat), pair->b.to(at::kFloat), pair->scale};
            }
        });
        const Attend attend = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
            return segmentedAttention(q, k, v, m_layout);
        };
        m_hidden = layerForward(layer, m_model.config, m_hidden, m_rotary, attend);
        layer = DecoderLayer{};
    }

    void loadHead()
    {
        const ModelConfig& config = m_model.config;
        forEachWeight(m_model, [&](const WeightShape& shape, at::Tensor& weight) {
            if (shape.part == ModelPart::FinalNorm) {
                weight = loaded(shape.name);
            }
        });
        m_model.lmHead = config.tiedEmbeddings ? m_model.embedTokens
                                               : loaded(weightName(config, ModelPart::Head));
    }

    at::Tensor logits(std::int64_t first, std::int64_t count) const
    {
        return headForward(m_model, m_hidden.narrow(1, first, count));
    }

private:
    at::Tensor loaded(const std::string& name) const
    {
        return m_source.weight(name).to(at::kFloat, false, /*copy=*/true);
    }

    const MergeSource& m_source;
    AttentionLayout m_layout;
    DecoderModel m_model; ///< holds the ends and at most one layer
    RotaryTable m_rotary;
    at::Tensor m_hidden;
};

} // namespace

void compareLogits(const MergeSource& unmerged, const MergeSource& merged, std::int64_t tokens,
                   const ProgressCallback& progress, MergeReport& report)
{
    const c10::NoGradGuard noGradients;
    const ModelConfig& config = unmerged.config();
    const std::int64_t chunks = (tokens + kChunkTokens - 1) / kChunkTokens;
    std::int64_t done = 0;
    const auto advance = [&] {
        if (progress && !progress({"verifying", done, config.layerCount + chunks, "steps"})) {
            throw Cancelled{};
        }
        ++done;
    };
    const at::Tensor ids = fixedText(tokens, config.vocabularySize);
    StreamedModel left(unmerged, ids);
    StreamedModel right(merged, ids);
    for (std::int64_t layer = 0; layer < config.layerCount; ++layer) {
        advance();
        left.runLayer(layer);
        right.runLayer(layer);
    }
    left.loadHead();
    right.loadHead();
    at::Tensor largestError = at::zeros({}, at::kFloat);
    at::Tensor largest = at::zeros({}, at::kFloat);
    at::Tensor errorSum = at::zeros({}, at::kDouble);
    for (std::int64_t first = 0; first < tokens; first += kChunkTokens) {
        advance();
        const std::int64_t count = std::min(kChunkTokens, tokens - first);
        const at::Tensor expected = left.logits(first, count);
        const at::Tensor actual = right.logits(first, count);
        const at::Tensor error = (actual - expected).abs_();
        largestError = at::maximum(largestError, error.max());
        largest = at::maximum(largest, expected.abs().max());
        errorSum += error.sum(at::kDouble);
        report.sameTopToken +=
            (expected.argmax(-1) == actual.argmax(-1)).sum().item<std::int64_t>();
    }
    advance();
    report.comparedTokens = tokens;
    report.maxAbsLogitError = largestError.item<double>();
    report.maxAbsLogit = largest.item<double>();
    report.meanAbsLogitError =
        errorSum.item<double>() /
        (static_cast<double>(tokens) * static_cast<double>(config.vocabularySize));
}

void requireSameLogits(const MergeReport& report, at::ScalarType dtype,
                       const std::filesystem::path& folder)
{
    constexpr double kWideTolerance = 1e-3;
    constexpr double kNarrowTolerance = 0.05;
    const bool isWide = dtype == at::kFloat || dtype == at::kDouble;
    const double error = isWide ? report.maxAbsLogitError : report.meanAbsLogitError;
    const double limit = (isWide ? kWideTolerance : kNarrowTolerance) * report.maxAbsLogit;
    if (!(error <= limit)) { // also when it is not a number
        throw FormatError(folder.string(), {},
                          fmt::format("the merged model does not compute what base and adapter do: "
                                      "{} error of the logits {:.3g}, allowed {:.3g}",
                                      isWide ? "largest" : "mean", error, limit),
                          "Nothing was kept.");
    }
}

} // namespace longlora
