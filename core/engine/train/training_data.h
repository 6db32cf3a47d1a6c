// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"
#include "core/spec/config/model_config.h"
#include "core/spec/data/packing.h"

#include <vector>

namespace longlora {

/// The rows a run trains and is measured on.
struct TrainingData {
    PackedRows train;
    std::vector<TrainingRow> heldOut; ///< empty: none asked for
};

/// The different ids of all rows, ascending.
std::vector<std::int64_t> distinctTokens(const std::vector<TrainingRow>& train,
                                         const std::vector<TrainingRow>& heldOut = {});

/// Reads, tokenises and packs `config.data`. Relative paths are taken from the working directory.
/// Throws: DataError, FormatError, Cancelled.
TrainingData prepareTrainingData(const RunConfig& config, const ModelConfig& model,
                                 const ProgressCallback& progress);

/// Optimizer steps of the run: schedule.steps, or what schedule.epochs over `rows` comes to.
std::int64_t totalSteps(const RunConfig& config, std::int64_t rows);

} // namespace longlora
