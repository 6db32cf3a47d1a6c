// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/json_object.h"
#include "core/spec/config/rope_scaling.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace longlora {

/// The rotary embedding of a Hugging Face config.json, in any of its spellings: `rope_theta` (in
/// GPT-NeoX `rotary_emb_base`) with `rope_scaling` {type or rope_type, ...} (transformers 4),
/// `rope_parameters` (transformers 5), `rope_condense_ratio` (LongChat's linear scaling). Where two
/// say different things, it is refused. Throws: FormatError naming file and key: unknown or
/// unsupported type, unknown keys, missing or impossible numbers, spellings that contradict each
/// other, frequencies that differ by layer.
RopeScaling readRope(const JsonObject& config, std::int64_t maxPositionEmbeddings);

/// The part of each head that is rotated: `rotary_pct` (GPT-NeoX, transformers 4) or
/// `partial_rotary_factor`, inside or beside the rotary embedding; `absent` where none is there.
/// Throws: FormatError naming file and key: out of 0 to 1, or two that differ.
double readRotaryFraction(const JsonObject& config, double absent);

/// One JSON object with everything: {"rope_type", "rope_theta", "factor", ...}, as transformers 5
/// writes `rope_parameters`. How a rotary embedding is kept beside an adapter.
std::string ropeToJson(const RopeScaling& rope);
/// Reads what ropeToJson wrote. `file` names the source. Throws: FormatError.
RopeScaling ropeFromJson(std::string_view text, const std::string& file);

} // namespace longlora
