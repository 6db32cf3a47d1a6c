// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/trainer.h"

#include "core/engine/tensor/torch_compat.h"
#include "core/engine/train/schedule.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

namespace longlora {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t scoredTokens(const TrainingRow& row)
{
    // Position 0 has no predecessor, so its label is never predicted.
    return std::count_if(row.labels.begin() + 1, row.labels.end(),
                         [](std::int64_t label) { return label != kIgnoredLabel; });
}

} // namespace

TrainingBatch makeBatch(const std::vector<const TrainingRow*>& rows, const AttentionSpec& attention,
                        std::int64_t headCount, bool maskDocuments, const at::Device& device)
{
    const auto batch = static_cast<std::int64_t>(rows.size());
    const auto length = static_cast<std::int64_t>(rows.front()->ids.size());
    const at::Tensor ids = at::empty({batch, length}, at::kLong);
    const at::Tensor targets = at::full({batch, length}, kIgnoredLabel, at::kLong);
    DocumentStarts documents;
    for (std::int64_t b = 0; b < batch; ++b) {
        const TrainingRow& row = *rows[static_cast<std::size_t>(b)];
        std::copy(row.ids.begin(), row.ids.end(), ids.data_ptr<std::int64_t>() + b * length);
        std::copy(row.labels.begin() + 1, row.labels.end(),
                  targets.data_ptr<std::int64_t>() + b * length);
        documents.push_back(maskDocuments ? row.documentStarts : std::vector<std::int64_t>{0});
    }
    return {ids.to(device), targets.to(device),
            attentionLayout(attention, headCount, batch, length, documents)};
}

Trainer::Trainer(DecoderModel& model, TrainableSet& trainables, const RunConfig& config,
                 std::vector<TrainingRow> rows, const TrainingScope& scope)
    : m_model(model)
    , m_trainables(trainables)
    , m_config(config)
    , m_rows(std::move(rows))
    , m_order(static_cast<std::int64_t>(m_rows.size()), config.seed)
    , m_driver(model, trainables, scope.memory)
    , m_optimizer(trainables, config.optimizer)
    , m_totalSteps(scope.totalSteps)
{}

AttentionSpec Trainer::fullAttention() const
{
    AttentionSpec full;
    full.window = m_model.config.slidingWindow;
    return full;
}

AttentionSpec Trainer::attentionOfStep() const
{
    if (m_stepsDone >= firstFullAttentionStep(m_config.attention, m_totalSteps)) {
        return fullAttention();
    }
    const auto length = static_cast<std::int64_t>(m_rows.front().ids.size());
    return {AttentionKind::S2, groupSize(m_config.attention, length), m_config.attention.edge,
            m_model.config.slidingWindow};
}

std::vector<TrainingBatch> Trainer::nextBatches(StepDone& done)
{
    const AttentionSpec attention = attentionOfStep();
    done.fullAttention = attention.kind == AttentionKind::Full;
    std::vector<TrainingBatch> batches;
    for (std::int64_t micro = 0; micro < m_config.batch.accumulation; ++micro) {
        std::vector<const TrainingRow*> rows;
        for (std::int64_t i = 0; i < m_config.batch.microBatch; ++i) {
            const TrainingRow& row = m_rows[static_cast<std::size_t>(m_order.next())];
            rows.push_back(&row);
            done.tokens += static_cast<std::int64_t>(row.ids.size()) - row.paddingTokens;
            done.scoredTokens += scoredTokens(row);
        }
        batches.push_back(makeBatch(rows, attention, m_model.config.headCount,
                                    m_config.data.maskDocuments, m_model.device()));
    }
    if (done.scoredTokens == 0) {
        throw DataError("no token of step " + std::to_string(m_stepsDone + 1) + " is scored",
                        "every label is -100 there; look at the labels of the training rows");
    }
    return batches;
}

StepDone Trainer::step()
{
    const auto start = Clock::now();
    StepDone done;
    done.step = m_stepsDone + 1;
    const std::vector<TrainingBatch> batches = nextBatches(done);

    m_trainables.zeroGradients();
    const double scale = 1.0 / static_cast<double>(done.scoredTokens);
    at::Tensor lossSum;
    for (const TrainingBatch& batch : batches) {
        const at::Tensor sum = m_driver.forwardBackward(batch, scale);
        lossSum = lossSum.defined() ? lossSum.add_(sum) : sum;
    }
    done.loss = lossSum.item<double>() * scale;
    done.gradientNorm = gradientNorm(m_trainables);
    if (!std::isfinite(done.loss) || !std::isfinite(done.gradientNorm)) {
        throw DataError("step " + std::to_string(done.step) + ": loss " +
                            std::to_string(done.loss) + ", gradient norm " +
                            std::to_string(done.gradientNorm) + "; the update was not made",
                        "lower optimizer.learning_rate or lengthen schedule.warmup_steps");
    }
    clipGradients(m_trainables, done.gradientNorm, m_config.optimizer.clipNorm);
    done.learningRate = scheduledRate(m_config.schedule, m_config.optimizer.learningRate,
                                      m_stepsDone, m_totalSteps);
    m_optimizer.step(done.learningRate);
    ++m_stepsDone;

    done.seconds = secondsSince(start);
    done.tokensPerSecond = static_cast<double>(done.tokens) / done.seconds;
    done.memoryBytes = memoryInUse(m_model.device());
    done.peakBytes = peakMemory(m_model.device());
    return done;
}

HeldOutMeasured Trainer::evaluate(const std::vector<TrainingRow>& rows)
{
    const auto start = Clock::now();
    HeldOutMeasured measured;
    measured.step = m_stepsDone;
    double sum = 0.0;
    for (const TrainingRow& row : rows) {
        const TrainingBatch batch = makeBatch({&row}, fullAttention(), m_model.config.headCount,
                                              m_config.data.maskDocuments, m_model.device());
        sum += m_driver.forwardLoss(batch).item<double>();
        measured.tokens += scoredTokens(row);
    }
    measured.loss = sum / static_cast<double>(std::max<std::int64_t>(1, measured.tokens));
    measured.seconds = secondsSince(start);
    return measured;
}

} // namespace longlora
