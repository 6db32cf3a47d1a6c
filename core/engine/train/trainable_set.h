// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"
#include "core/spec/config/run_config.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace longlora {

/// One trained tensor: what the model computes with, and the master that the optimizer moves.
struct Trainable {
    std::string name;     ///< weight name, or module name + ".lora_A" / ".lora_B"
    bool isWhole = false; ///< a weight of the model, not a part of an update
    at::Tensor weight;    ///< a tensor of the model, in the compute dtype
    /// fp32 (fp64 for fp64 models), contiguous. The same tensor as weight where that is so, and all
    /// rows are kept.
    at::Tensor master;
    at::Tensor gradient; ///< like master
    double learningRateRatio = 1.0;
    bool decays = true; ///< norms and biases do not

    /// Rows of weight that master and gradient hold, ascending, int64; undefined: all. No other row
    /// ever has a gradient, so AdamW only scales it by its weight decay.
    at::Tensor rows;
    at::Tensor otherRows;         ///< a tensor like weight that has the others as they started
    double otherRowsFactor = 1.0; ///< what their weight decay has come to
};

/// Everything a run trains. Made once; the tensors are shared with the model.
class TrainableSet {
public:
    /// Adds LoRA pairs (A uniform, B zero: Hu et al. 2021, sec. 4.1; seeded) to `model`, or takes
    /// every weight for method full. A trained embedding of a tied model is untied from its frozen
    /// head (LoRA only). With LoRA, of a trained embedding only the rows of `tokens` take part,
    /// ascending ids of all that the run will read; empty: every row.
    /// Throws: ConfigError if nothing is trained.
    TrainableSet(DecoderModel& model, const RunConfig& config,
                 const std::vector<std::int64_t>& tokens = {});

    std::vector<Trainable>& items() noexcept { return m_items; }
    const std::vector<Trainable>& items() const noexcept { return m_items; }
    /// The gradients in the model's own shape; what is not trained is undefined. A tied head's is
    /// the embedding's.
    const DecoderModel& gradients() const noexcept { return m_gradients; }

    /// Whether every one of these ids may be trained on: false if the embedding is trained, but not
    /// the row of each.
    bool covers(const std::vector<std::int64_t>& tokens) const;
    void zeroGradients();
    /// Adds to the embedding's gradient, if that is trained. Shapes: ids [...] of T in all, each
    /// among the rows that take part; gradient [T, d].
    void addEmbeddingGradient(const at::Tensor& ids, const at::Tensor& gradient);
    /// Copies masters into the model where they are not the same tensor.
    void publish();
    std::int64_t parameterCount() const;

    /// In the adapter's terms: low-rank pairs by module, whole tensors by weight name, from
    /// masters.
    std::map<std::string, LoraPair> pairs() const;
    std::map<std::string, at::Tensor> wholeWeights() const;
    /// Starts from given values instead. Throws: ConfigError naming what is missing or of another
    /// shape.
    void assign(const std::map<std::string, LoraPair>& pairs,
                const std::map<std::string, at::Tensor>& wholeWeights);

private:
    void addWhole(const WeightShape& shape, at::Tensor& weight, const at::Tensor& rows = {});
    void addPair(const std::string& module, const LoraPair& pair, const LoraPair& gradients,
                 const LoraConfig& config);
    const Trainable& add(Trainable item);
    void addLora(DecoderModel& model, const RunConfig& config,
                 const std::vector<std::int64_t>& tokens);
    void addLowRank(DecoderModel& model, const RunConfig& config);
    void addPairs(DecoderModel& model, const RunConfig& config);

    std::vector<Trainable> m_items;
    std::map<std::string, std::size_t> m_byName;
    DecoderModel m_gradients;
    at::Tensor m_embeddingRows;
    double m_loraScale = 1.0;
};

} // namespace longlora
