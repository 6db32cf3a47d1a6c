// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/trainer.h"

#include "core/engine/tensor/memory_shortage.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/engine/train/schedule.h"
#include "core/engine/train/training_data.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
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
    , m_memory{config.batch.microBatch, scope.memory}
    , m_driver(model, trainables, scope.memory)
    , m_optimizer(trainables, config.optimizer, static_cast<std::uint64_t>(config.seed))
    , m_totalSteps(scope.totalSteps)
{
    if (!trainables.covers(distinctTokens(m_rows))) {
        throw std::logic_error("the rows have tokens whose embedding is not trained");
    }
}

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

const std::vector<const TrainingRow*>& Trainer::rowsOfStep()
{
    const std::int64_t count = m_config.batch.microBatch * m_config.batch.accumulation;
    while (static_cast<std::int64_t>(m_stepRows.size()) < count) {
        m_stepRows.push_back(&m_rows[static_cast<std::size_t>(m_order.next())]);
    }
    return m_stepRows;
}

void Trainer::count(StepDone& done)
{
    for (const TrainingRow* row : rowsOfStep()) {
        done.tokens += static_cast<std::int64_t>(row->ids.size()) - row->paddingTokens;
        done.scoredTokens += scoredTokens(*row);
    }
    if (done.scoredTokens == 0) {
        throw DataError("no token of step " + std::to_string(m_stepsDone + 1) + " is scored",
                        "every label is -100 there; look at the labels of the training rows");
    }
}

double Trainer::lossAndGradients(const AttentionSpec& attention, double scale)
{
    m_trainables.zeroGradients();
    const std::vector<const TrainingRow*>& rows = rowsOfStep();
    const auto atOnce = static_cast<std::size_t>(m_memory.microBatch);
    at::Tensor lossSum;
    for (std::size_t begin = 0; begin < rows.size(); begin += atOnce) {
        const std::size_t end = std::min(begin + atOnce, rows.size());
        const TrainingBatch batch = makeBatch({rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                               rows.begin() + static_cast<std::ptrdiff_t>(end)},
                                              attention, m_model.config.headCount,
                                              m_config.data.maskDocuments, m_model.device());
        const at::Tensor sum = m_driver.forwardBackward(batch, scale);
        lossSum = lossSum.defined() ? lossSum.add_(sum) : sum;
    }
    return lossSum.item<double>() * scale;
}

StepDone Trainer::step()
{
    const auto start = Clock::now();
    StepDone done;
    done.step = m_stepsDone + 1;
    count(done);
    const AttentionSpec attention = attentionOfStep();
    done.fullAttention = attention.kind == AttentionKind::Full;
    done.loss = lossAndGradients(attention, 1.0 / static_cast<double>(done.scoredTokens));
    done.gradientNorm = gradientNorm(m_trainables);
    if (!std::isfinite(done.loss) || !std::isfinite(done.gradientNorm)) {
        throw DataError("step " + std::to_string(done.step) + ": loss " +
                            std::to_string(done.loss) + ", gradient norm " +
                            std::to_string(done.gradientNorm) + "; the update was not made",
                        "lower optimizer.learning_rate or lengthen schedule.warmup_steps");
    }
    m_isUpdating = true;
    clipGradients(m_trainables, done.gradientNorm, m_config.optimizer.clipNorm);
    done.learningRate = scheduledRate(m_config.schedule, m_config.optimizer.learningRate,
                                      m_stepsDone, m_totalSteps);
    m_optimizer.step(done.learningRate);
    m_isUpdating = false;
    ++m_stepsDone;
    m_stepRows.clear();

    done.seconds = secondsSince(start);
    done.tokensPerSecond = static_cast<double>(done.tokens) / done.seconds;
    done.memoryBytes = memoryInUse(m_model.device());
    done.peakBytes = peakMemory(m_model.device());
    return done;
}

std::optional<std::string> Trainer::goLeaner()
{
    const bool mayOffload =
        !m_model.device().is_cpu() && m_config.memory.offload != OffloadMode::Off;
    const std::optional<LeanerStep> leaner =
        m_isUpdating ? std::nullopt
                     : leanerStep(m_memory, {m_model.config.layerCount,
                                             static_cast<std::int64_t>(m_rows.front().ids.size()),
                                             mayOffload});
    if (!leaner) {
        return std::nullopt;
    }
    // First: copies that the failed step began write to memory that is free already.
    giveBackFreeMemory(m_model.device());
    m_memory = leaner->memory;
    m_driver.setMemory(m_memory.layers);
    return leaner->change;
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
