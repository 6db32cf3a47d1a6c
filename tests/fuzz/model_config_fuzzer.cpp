// SPDX-License-Identifier: GPL-3.0-or-later
// config.json: what is accepted can be computed with and survives being written.
#include "core/spec/config/model_config_parse.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/config/rope_scaling.h"
#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <cmath>

namespace longlora::fuzz {

void readAndUse(std::string_view input)
{
    const ModelConfig config = parseModelConfig(input, kFile);
    require(config.headCount % config.kvHeadCount == 0, "kv heads divide heads");
    require(config.rotaryDim() > 0 && config.rotaryDim() % 2 == 0, "rotated elements are pairs");
    require(config.rotaryDim() <= config.headDim, "a head is not rotated beyond its end");
    require(config.parameterCount() > 0, "a model has parameters");
    require(config.contextLength() > 0, "a model has a context");
    for (const WeightShape& weight : weightShapes(config)) {
        require(std::all_of(weight.sizes.begin(), weight.sizes.end(), [](auto n) { return n > 0; }),
                "weights have a shape");
    }
    const ModelConfig again = parseModelConfig(modelConfigJson(config), kFile);
    require(again == config, "a config reads as it was written");
}

} // namespace longlora::fuzz
