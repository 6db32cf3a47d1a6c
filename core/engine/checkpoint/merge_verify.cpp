// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge_verify.h"

#include "core/engine/attention/segmented_attention.h"
#include "core/engine/tensor/nf4_matrix.h"
#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>

namespace longlora {

namespace {

/// Entries of the vocabulary whose logits exist at the same time.
constexpr std::int64_t kBlockEntries = 1024;

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

/// Checks what is read against what was written.
class ReadBack {
public:
    explicit ReadBack(const WrittenHashes& written)
        : m_written(written)
    {}
    /// Throws: FormatError.
    void check(const MergeSource& source, const std::string& name)
    {
        ContentHash hash;
        source.forEachBlock(name, [&](std::int64_t, const at::Tensor& rows) {
            hash.add({static_cast<const char*>(rows.const_data_ptr()), rows.nbytes()});
        });
        const auto expected = m_written.find(name);
        if (expected == m_written.end() || expected->second != hash.value()) {
            throw FormatError(source.fileOf(name).string(), "tensor " + name,
                              "reads back other than it was written",
                              "The disk may be failing: merge to another one.");
        }
        m_checked.insert(name);
    }
    bool isComplete() const { return m_checked.size() == m_written.size(); }

private:
    const WrittenHashes& m_written;
    std::set<std::string> m_checked;
};

/// A model of which only the layer in use is in memory.
class StreamedModel {
public:
    /// `readBack` may be nullptr; else it sees every tensor. With a quantization the layers' linear
    /// weights are what that leaves of them.
    StreamedModel(const MergeSource& source, const at::Tensor& ids, ReadBack* readBack,
                  Quantization quantization = Quantization::None)
        : m_source(source)
        , m_readBack(readBack)
        , m_quantization(quantization)
        , m_layout(fullLayout(source.config(), ids.size(1)))
    {
        const ModelConfig& config = source.config();
        m_model.config = config;
        m_model.layers.resize(static_cast<std::size_t>(config.layerCount));
        m_rotary = rotaryTable(config.rope, config.rotaryDim(), 0, ids.size(1), ids.size(1),
                               at::kCPU, at::kFloat);
        const std::string embedding = weightName(config, ModelPart::Embedding);
        checkReadBack(embedding);
        m_hidden = at::embedding(source.weight(embedding), ids).to(at::kFloat);
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
            if (shape.layer == index && m_quantization == Quantization::Nf4) {
                Nf4Matrix(linear.weight, at::kCPU).unpack(linear.weight);
            }
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

    /// To be called once, after the last layer.
    void prepareHead()
    {
        const ModelConfig& config = m_model.config;
        forEachWeight(m_model, [&](const WeightShape& shape, at::Tensor& weight) {
            if (shape.part == ModelPart::FinalNorm) {
                weight = loaded(shape.name);
            }
        });
        m_hidden = normForward(m_model.finalNorm, config, m_hidden).squeeze(0);
        m_head = weightName(config, config.tiedEmbeddings ? ModelPart::Embedding : ModelPart::Head);
        if (!config.tiedEmbeddings) {
            checkReadBack(m_head);
        }
    }

    /// Shapes: [tokens, count], of `count` entries of the vocabulary.
    at::Tensor logits(std::int64_t first, std::int64_t count) const
    {
        const at::Tensor rows = m_source.weight(m_head).narrow(0, first, count);
        return at::linear(m_hidden, rows.to(at::kFloat));
    }

private:
    void checkReadBack(const std::string& name) const
    {
        if (m_readBack != nullptr) {
            m_readBack->check(m_source, name);
        }
    }

    at::Tensor loaded(const std::string& name) const
    {
        checkReadBack(name);
        return m_source.weight(name).to(at::kFloat, false, /*copy=*/true);
    }

    const MergeSource& m_source;
    ReadBack* m_readBack;
    Quantization m_quantization;
    AttentionLayout m_layout;
    DecoderModel m_model; ///< holds at most one layer
    RotaryTable m_rotary;
    at::Tensor m_hidden;
    std::string m_head;
};

/// The most likely token of each position, over blocks of the vocabulary.
struct TopToken {
    at::Tensor value;
    at::Tensor index;

    void see(const at::Tensor& logits, std::int64_t first)
    {
        auto [best, place] = logits.max(-1);
        place += first;
        if (!value.defined()) {
            value = best;
            index = place;
            return;
        }
        const at::Tensor isBetter = best > value; // of equal ones the first
        value = at::where(isBetter, best, value);
        index = at::where(isBetter, place, index);
    }
};

/// Logits of two models at the same positions, over blocks of the vocabulary.
class LogitDifference {
public:
    void see(const at::Tensor& expected, const at::Tensor& actual, std::int64_t first)
    {
        m_expectedTop.see(expected, first);
        m_actualTop.see(actual, first);
        const at::Tensor error = (actual - expected).abs_();
        m_largestError = at::maximum(m_largestError, error.max());
        m_largest = at::maximum(m_largest, expected.abs().max());
        m_errorSum += error.sum(at::kDouble);
        m_entries += expected.size(1);
    }
    double largestError() const { return m_largestError.item<double>(); }
    double largest() const { return m_largest.item<double>(); }
    double meanError() const
    {
        return m_errorSum.item<double>() /
               (static_cast<double>(tokens()) * static_cast<double>(m_entries));
    }
    std::int64_t tokens() const { return m_expectedTop.index.numel(); }
    std::int64_t sameTopToken() const
    {
        return (m_expectedTop.index == m_actualTop.index).sum().item<std::int64_t>();
    }

private:
    at::Tensor m_largestError = at::zeros({}, at::kFloat);
    at::Tensor m_largest = at::zeros({}, at::kFloat);
    at::Tensor m_errorSum = at::zeros({}, at::kDouble);
    std::int64_t m_entries = 0; ///< of the vocabulary
    TopToken m_expectedTop;
    TopToken m_actualTop;
};

/// exp of the mean -log p(next token), over blocks of the vocabulary.
class Perplexity {
public:
    explicit Perplexity(const at::Tensor& ids_1S)
        : m_next(ids_1S[0].slice(0, 1))
        , m_logSum(at::full(m_next.sizes(), -std::numeric_limits<double>::infinity(), at::kDouble))
        , m_logit(at::zeros(m_next.sizes(), at::kDouble))
    {}

    /// Shapes: logits [tokens, entries], of the vocabulary from `first` on.
    void see(const at::Tensor& logits, std::int64_t first)
    {
        const at::Tensor scored = logits.narrow(0, 0, m_next.size(0)).to(at::kDouble);
        m_logSum = at::logaddexp(m_logSum, scored.logsumexp(-1));
        const at::Tensor place = m_next - first;
        const at::Tensor isHere = place.ge(0).logical_and_(place.lt(scored.size(1)));
        const at::Tensor here =
            scored.gather(1, place.clamp(0, scored.size(1) - 1).unsqueeze(1)).squeeze(1);
        m_logit = at::where(isHere, here, m_logit);
    }
    double value() const { return (m_logSum - m_logit).mean().exp().item<double>(); }

private:
    at::Tensor m_next;
    at::Tensor m_logSum;
    at::Tensor m_logit;
};

/// Calls visit(first, count) for each block of the vocabulary.
template <class Visit>
void forEachBlockOfEntries(std::int64_t vocabulary, const Visit& visit)
{
    for (std::int64_t first = 0; first < vocabulary; first += kBlockEntries) {
        visit(first, std::min(kBlockEntries, vocabulary - first));
    }
}

/// Fills the report from the models' last hidden states.
void compareHeads(const StreamedModel& left, const StreamedModel& right, std::int64_t vocabulary,
                  const std::function<void()>& advance, MergeReport& report)
{
    LogitDifference difference;
    forEachBlockOfEntries(vocabulary, [&](std::int64_t first, std::int64_t count) {
        advance();
        difference.see(left.logits(first, count), right.logits(first, count), first);
    });
    report.sameTopToken = difference.sameTopToken();
    report.comparedTokens = difference.tokens();
    report.maxAbsLogitError = difference.largestError();
    report.maxAbsLogit = difference.largest();
    report.meanAbsLogitError = difference.meanError();
}

/// `trained` over its base in 4 bits beside `merged`.
QuantizationDrift driftOf(const StreamedModel& trained, const StreamedModel& merged,
                          const at::Tensor& ids, std::int64_t vocabulary)
{
    LogitDifference difference;
    Perplexity trainedPerplexity(ids), mergedPerplexity(ids);
    forEachBlockOfEntries(vocabulary, [&](std::int64_t first, std::int64_t count) {
        const at::Tensor expected = trained.logits(first, count);
        const at::Tensor actual = merged.logits(first, count);
        difference.see(expected, actual, first);
        trainedPerplexity.see(expected, first);
        mergedPerplexity.see(actual, first);
    });
    return {difference.largestError(), difference.meanError(), difference.sameTopToken(),
            trainedPerplexity.value(), mergedPerplexity.value()};
}

} // namespace

void compareLogits(const MergeSource& unmerged, const MergeSource& merged, std::int64_t tokens,
                   const WrittenHashes& written, const ProgressCallback& progress,
                   MergeReport& report)
{
    const c10::NoGradGuard noGradients;
    const ModelConfig& config = unmerged.config();
    const std::int64_t blocks = (config.vocabularySize + kBlockEntries - 1) / kBlockEntries;
    std::int64_t done = 0;
    const auto advance = [&] {
        if (progress && !progress({"verifying", done, config.layerCount + blocks, "steps"})) {
            throw Cancelled{};
        }
        ++done;
    };
    const at::Tensor ids = fixedText(tokens, config.vocabularySize);
    ReadBack readBack(written);
    StreamedModel left(unmerged, ids, nullptr);
    StreamedModel right(merged, ids, &readBack);
    std::optional<StreamedModel> trained;
    if (unmerged.trainedQuantization() != Quantization::None) {
        trained.emplace(unmerged, ids, nullptr, unmerged.trainedQuantization());
    }
    for (std::int64_t layer = 0; layer < config.layerCount; ++layer) {
        advance();
        left.runLayer(layer);
        right.runLayer(layer);
        if (trained) {
            trained->runLayer(layer);
        }
    }
    left.prepareHead();
    right.prepareHead();
    if (!readBack.isComplete()) {
        throw std::logic_error("a tensor was written and not read back");
    }
    report.rereadEqual = true;
    compareHeads(left, right, config.vocabularySize, advance, report);
    if (trained) {
        trained->prepareHead();
        report.drift = driftOf(*trained, right, ids, config.vocabularySize);
    }
    advance();
}

double comparisonBytes(const ModelConfig& config, std::int64_t tokens)
{
    constexpr double kFloat = 4.0;
    const auto length = static_cast<double>(tokens);
    const auto hidden = static_cast<double>(config.hiddenSize);
    const auto attention = static_cast<double>(config.headCount * config.headDim);
    std::int64_t layer = 0;
    for (const WeightShape& shape : layerWeightShapes(config, 0)) {
        layer += shape.count();
    }
    // Hidden states of both models, and of one over a base in 4 bits; one layer as stored and as
    // fp32; what it computes.
    const double states = 3.0 * length * hidden;
    const double computed =
        length * std::max(3.0 * static_cast<double>(config.intermediateSize) + 2.0 * hidden,
                          6.0 * attention + 2.0 * hidden);
    const double heads = 4.0 * length * static_cast<double>(kBlockEntries);
    return kFloat * (states + std::max(2.0 * static_cast<double>(layer) + computed, heads));
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
