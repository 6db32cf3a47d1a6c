// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/adamw.h"
#include "core/engine/train/layer_driver.h"
#include "core/spec/data/packing.h"
#include "core/spec/events/event.h"

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
    /// `model` and `trainables` outlive this; `rows` are used in a seeded order.
    Trainer(DecoderModel& model, TrainableSet& trainables, const RunConfig& config,
            std::vector<TrainingRow> rows, const TrainingScope& scope);

    /// One optimizer step. The loss is the sum over all scored tokens of all micro-batches divided
    /// by their number, from before the update. Throws: DataError if loss or gradient norm is not
    /// finite (nothing has been updated) or no token of the step is scored.
    StepDone step();
    std::int64_t stepsDone() const noexcept { return m_stepsDone; }
    std::int64_t totalSteps() const noexcept { return m_totalSteps; }

    /// Loss on held-out rows with full attention.
    HeldOutMeasured evaluate(const std::vector<TrainingRow>& rows);

private:
    std::vector<TrainingBatch> nextBatches(StepDone& done);
    AttentionSpec fullAttention() const;
    AttentionSpec attentionOfStep() const;

    DecoderModel& m_model;
    TrainableSet& m_trainables;
    RunConfig m_config;
    std::vector<TrainingRow> m_rows;
    RowOrder m_order;
    LayerDriver m_driver;
    AdamW m_optimizer;
    std::int64_t m_totalSteps;
    std::int64_t m_stepsDone = 0;
};

} // namespace longlora
