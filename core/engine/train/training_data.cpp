// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/train/training_data.h"

#include "core/engine/checkpoint/model_folder.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_issues.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>

namespace longlora {

namespace {

PackedRows packedRows(const std::vector<std::string>& files, const RunConfig& config,
                      const ModelConfig& model, const Tokenizer* tokenizer,
                      const ProgressCallback& progress)
{
    std::vector<TokenDocument> documents;
    for (const std::string& file : files) {
        auto some =
            readDocuments(file, config.data.format, tokenizer, model.vocabularySize, progress);
        documents.insert(documents.end(), std::make_move_iterator(some.begin()),
                         std::make_move_iterator(some.end()));
    }
    const TokenId padding = tokenizer != nullptr ? tokenizer->eosId().value_or(0) : 0;
    return packRows(documents, rowLength(model, config), config.data.packing, padding);
}

} // namespace

TrainingData prepareTrainingData(const RunConfig& config, const ModelConfig& model,
                                 const ProgressCallback& progress)
{
    std::unique_ptr<Tokenizer> tokenizer;
    // Rows of ready tokens need none; readDocuments says so where text does.
    if (hasTokenizerFiles(config.model)) {
        tokenizer = loadTokenizer(config.model);
    }
    TrainingData data;
    data.train = packedRows(config.data.train, config, model, tokenizer.get(), progress);
    if (!config.data.validation.empty()) {
        data.heldOut =
            packedRows(config.data.validation, config, model, tokenizer.get(), progress).rows;
    }
    return data;
}

std::vector<std::int64_t> distinctTokens(const std::vector<TrainingRow>& train,
                                         const std::vector<TrainingRow>& heldOut)
{
    std::vector<bool> seen;
    for (const std::vector<TrainingRow>* rows : {&train, &heldOut}) {
        for (const TrainingRow& row : *rows) {
            for (const TokenId id : row.ids) {
                const auto index = static_cast<std::size_t>(id);
                seen.resize(std::max(seen.size(), index + 1));
                seen[index] = true;
            }
        }
    }
    std::vector<std::int64_t> tokens;
    for (std::size_t id = 0; id < seen.size(); ++id) {
        if (seen[id]) {
            tokens.push_back(static_cast<std::int64_t>(id));
        }
    }
    return tokens;
}

std::int64_t totalSteps(const RunConfig& config, std::int64_t rows)
{
    if (!config.schedule.epochs) {
        return config.schedule.steps;
    }
    const auto rowsPerStep =
        static_cast<double>(config.batch.microBatch * config.batch.accumulation);
    const double steps = *config.schedule.epochs * static_cast<double>(rows) / rowsPerStep;
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(steps)));
}

} // namespace longlora
