// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/adamw.h"
#include "core/engine/train/layer_driver.h"
#include "core/spec/data/packing.h"
#include "core/spec/events/event.h"
#include "core/spec/plan/leaner_memory.h"

#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// Rows as one micro-batch on `device`. `maskDocuments`: documents packed in a row do not see each
/// other. Rows must be of one length.
TrainingBatch makeBatch(const std::vector<const TrainingRow*>& rows, const AttentionSpec& attention,
                        std::int64_t headCount, bool maskDocuments, const at::Device& device);

struct TrainingScope {
    std::int64_t totalSteps = 0;
    LayerMemory memory;
};

/// Micro-batches -> LayerDriver -> clip -> finite check -> update. Knows no files and no events.
class Trainer {
public:
    /// `model` and `trainables` outlive this; `rows` are used in a seeded order. Throws:
    /// std::logic_error if `trainables` was not told of their tokens.
    Trainer(DecoderModel& model, TrainableSet& trainables, const RunConfig& config,
            std::vector<TrainingRow> rows, const TrainingScope& scope);

    /// One optimizer step. The loss is the sum over all scored tokens of all micro-batches divided
    /// by their number, from before the update. Throws: DataError if loss or gradient norm is not
    /// finite (nothing has been updated) or no token of the step is scored. A step that fails
    /// before its update can be done again: with the same rows.
    StepDone step();
    /// Where memory did not suffice: gives free memory back, takes the next leaner stage and says
    /// what it changes. Nothing: no stage is left, or a step failed in its update.
    std::optional<std::string> goLeaner();
    std::int64_t stepsDone() const noexcept { return m_stepsDone; }
    std::int64_t totalSteps() const noexcept { return m_totalSteps; }

    /// Loss on held-out rows with full attention.
    HeldOutMeasured evaluate(const std::vector<TrainingRow>& rows);

private:
    /// The rows of the step under way; they stay until it is done.
    const std::vector<const TrainingRow*>& rowsOfStep();
    void count(StepDone& done);
    double lossAndGradients(const AttentionSpec& attention, double scale);
    AttentionSpec fullAttention() const;
    AttentionSpec attentionOfStep() const;

    DecoderModel& m_model;
    TrainableSet& m_trainables;
    RunConfig m_config;
    std::vector<TrainingRow> m_rows;
    RowOrder m_order;
    StepMemory m_memory;
    LayerDriver m_driver;
    AdamW m_optimizer;
    std::int64_t m_totalSteps;
    std::int64_t m_stepsDone = 0;
    std::vector<const TrainingRow*> m_stepRows;
    bool m_isUpdating = false;
};

} // namespace longlora
