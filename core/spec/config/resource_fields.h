// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/fields.h"
#include "core/spec/config/run_config.h"

#include <concepts>
#include <type_traits>

namespace longlora {

// What a run uses and leaves: batch, precision, memory, devices, evaluation, checkpoints.
// `Config` is the struct or the const struct.

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, BatchConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"micro_batch", "Micro-batch", "rows",
                   "Rows computed at once; memory grows in proportion.", 1, 65536},
                  c.microBatch);
    visitor.field({"accumulation", "Accumulation", "micro-batches",
                   "Micro-batches whose gradients make one step; costs time, no memory.", 1, 65536},
                  c.accumulation);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, PrecisionConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field(
        {"compute", "Compute precision", "",
         "Type of number the model computes with; auto: bf16 on a GPU, fp32 on a processor."},
        c.compute);
    visitor.field({"deterministic", "Deterministic", "",
                   "On a GPU only operators that give the same bits every time, slower ones among "
                   "them. A processor always does."},
                  c.deterministic);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, MemoryConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field(
        {"recompute", "Recompute", "",
         "What the backward pass computes again instead of keeping: nothing, the MLP, also "
         "q k v, also attention's output projection, or everything. Auto keeps what fits "
         "into 80 % of the device's memory; results are the same."},
        c.recompute);
    visitor.field(
        {"offload", "Offload", "",
         "Keeps the layers' inputs in the memory of the machine instead of the GPU's. Auto "
         "does where a run would not fit without; results are the same."},
        c.offload);
    visitor.field(
        {"tile", "Tile", "tokens",
         "Tokens that an MLP computes at once: auto (1,024) or a number; smaller tiles need less "
         "memory."},
        c.tile);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, DevicesConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field(
        {"kind", "Device", "", "Where the run computes; auto takes a GPU where there is one."},
        c.kind);
    visitor.field({"ranks", "Devices", "", "Devices that share each step.", 1, 4096}, c.ranks);
    visitor.field(
        {"sequence_parallel", "Sequence parallel", "", "Devices that share each row.", 1, 4096},
        c.sequenceParallel);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, EvaluationConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"every_steps", "Held-out loss every", "steps",
                   "Steps between measurements of the held-out loss; 0: never. Each costs time.", 0,
                   1e9},
                  c.everySteps);
    visitor.field({"passkey_every_steps", "Passkey every", "steps",
                   "Steps between passkey measurements; 0: never.", 0, 1e9},
                  c.passkeyEverySteps);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, CheckpointConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"every_steps", "Checkpoint every", "steps",
                   "Steps between checkpoints; 0: only at the end and on request.", 0, 1e9},
                  c.everySteps);
    visitor.field(
        {"keep", "Checkpoints kept", "", "Newest checkpoints that stay on the disk.", 1, 10000},
        c.keep);
}

} // namespace longlora
