// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/new_model.h"

#include "core/engine/checkpoint/base_model.h"
#include "core/engine/model/induction_heads.h"
#include "core/engine/model/random_model.h"

namespace longlora {

void writeNewModel(const ModelConfig& config, std::int64_t seed,
                   const std::filesystem::path& folder,
                   const std::filesystem::path& tokenizerFolder)
{
    DecoderModel model = randomModel(config, seed, {at::kCPU, at::kFloat});
    startWithInductionHeads(model);
    saveModel(model, folder, at::kFloat, tokenizerFolder);
}

} // namespace longlora
