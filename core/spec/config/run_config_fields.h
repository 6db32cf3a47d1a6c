// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/data_fields.h"
#include "core/spec/config/learning_fields.h"
#include "core/spec/config/resource_fields.h"
#include "core/spec/config/run_config_enums.h"

#include <concepts>
#include <type_traits>

namespace longlora {

/// The one description of every option of a run, in the order of the headless contract. Keys are
/// the JSON keys. See base/fields.h for what a visitor offers.
template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, RunConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"model", "Model", "", "Hugging Face folder of the model to extend."}, c.model);
    visitor.field({"run_name", "Run name", "",
                   "Name the run is listed under; empty: made from the model and the length."},
                  c.runName);
    visitor.field({"seed", "Seed", "",
                   "Start of all random numbers; the same seed on the same build and device "
                   "repeats a run exactly, on a GPU with precision.deterministic.",
                   0, 9007199254740992},
                  c.seed);
    visitor.group("data", "Data", c.data);
    visitor.group("context", "Context", c.context);
    visitor.group("attention", "Attention", c.attention);
    visitor.group("lora", "LoRA", c.lora);
    visitor.field({"method", "Method", "",
                   "lora: low-rank updates, optionally with embeddings and norms; full: every "
                   "weight, about ten times the memory."},
                  c.method);
    visitor.field({"quantization", "Frozen weights", "",
                   "How the frozen weights are kept; nf4: the layers' in 4 bits, a quarter of what "
                   "bf16 takes, "
                   "unpacked a layer at a time, and less exact."},
                  c.quantization);
    visitor.group("optimizer", "Optimizer", c.optimizer);
    visitor.group("schedule", "Schedule", c.schedule);
    visitor.group("batch", "Batch", c.batch);
    visitor.group("precision", "Precision", c.precision);
    visitor.group("memory", "Memory", c.memory);
    visitor.group("devices", "Devices", c.devices);
    visitor.group("evaluation", "Evaluation", c.evaluation);
    visitor.group("checkpoint", "Checkpoints", c.checkpoint);
}

} // namespace longlora
