// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merged_folder.h"

#include "core/engine/checkpoint/model_folder.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/json_object.h"

#include <nlohmann/json.hpp>

namespace longlora {

namespace {

constexpr JsonLimits kLimits{std::size_t{32} << 20, 32};

/// Raises a whole number in a JSON file that is there to at least `least`; every other byte of a
/// file that has it large enough, or not at all, stays as it is.
void raiseLimit(const std::filesystem::path& file, const std::string& key, std::int64_t least)
{
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) {
        return;
    }
    const std::string text = readWholeFile(file, kLimits.bytes);
    requireSoundJson(text, file.string(), kLimits);
    auto json = nlohmann::ordered_json::parse(text);
    const auto found = json.is_object() ? json.find(key) : json.end();
    if (found == json.end() || !found->is_number_integer() || *found >= least) {
        return;
    }
    *found = least;
    writeFileAtomically(file, json.dump(2) + "\n");
}

} // namespace

void writeMergedFolder(const MergeRequest& request, const MergePlan& plan,
                       const std::filesystem::path& folder)
{
    const ModelConfig& config = plan.source().config();
    ModelConfigChanges changes;
    changes.rope = config.rope;
    changes.tiedEmbeddings = config.tiedEmbeddings;
    changes.vocabularySize = config.vocabularySize;
    changes.dtype = configDtypeName(plan.dtype());
    changes.maxPositionEmbeddings = config.maxPositionEmbeddings;
    changes.limitIsTrainedLength = request.positions == PositionLimit::TrainedLength;
    writeFileAtomically(folder / "config.json", rewriteModelConfig(request.base, changes));
    writeGenerationConfig(request.base, config, folder);
    copyTokenizerFiles(request.base, folder);
    raiseLimit(folder / "generation_config.json", "max_length", config.contextLength());
    raiseLimit(folder / "tokenizer_config.json", "model_max_length", config.contextLength());
}

} // namespace longlora
