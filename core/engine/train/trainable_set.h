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
    at::Tensor
        master; ///< fp32 (fp64 for fp64 models); the same tensor as weight where dtypes agree
    at::Tensor gradient; ///< like master
    double learningRateRatio = 1.0;
    bool decays = true; ///< norms and biases do not
};

/// Everything a run trains. Made once; the tensors are shared with the model.
class TrainableSet {
public:
    /// Adds LoRA pairs (A uniform, B zero: Hu et al. 2021, sec. 4.1; seeded) to `model`, or takes
    /// every weight for method full. A trained embedding of a tied model is untied from its frozen
    /// head (LoRA only). Throws: ConfigError if nothing is trained.
    TrainableSet(DecoderModel& model, const RunConfig& config);

    std::vector<Trainable>& items() noexcept { return m_items; }
    const std::vector<Trainable>& items() const noexcept { return m_items; }
    /// The gradients in the model's own shape; what is not trained is undefined. A tied head's is
    /// the embedding's.
    const DecoderModel& gradients() const noexcept { return m_gradients; }

    void zeroGradients();
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
    void addWhole(const WeightShape& shape, at::Tensor& weight);
    void addPair(const std::string& module, const LoraPair& pair, const LoraConfig& config);
    const Trainable& add(Trainable item);
    void addLora(DecoderModel& model, const RunConfig& config);
    void addLowRank(DecoderModel& model, const RunConfig& config);

    std::vector<Trainable> m_items;
    std::map<std::string, std::size_t> m_byName;
    DecoderModel m_gradients;
    double m_loraScale = 1.0;
};

} // namespace longlora
