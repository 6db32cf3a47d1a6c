// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/gguf/gguf_metadata.h"
#include "core/spec/config/model_config.h"

#include <span>
#include <string>
#include <vector>

namespace longlora {

/// The rotary embedding as the keys below "ARCHITECTURE.rope." say: base, linear or YaRN scaling.
/// Divisors of the frequencies, if there are any, are put in by withRopeFactors. Throws:
/// FormatError for kinds of scaling that are not supported and numbers out of range.
RopeScaling readGgufRope(const GgufMetadata& metadata, const std::string& architecture,
                         std::int64_t contextLength);

/// `rope` (unscaled) with `factors`, the contents of rope_freqs.weight: the llama3 scaling whose
/// formula gives them, or a linear one if they are all alike.
/// Throws: FormatError naming `file` if neither does.
RopeScaling withRopeFactors(const RopeScaling& rope, std::span<const float> factors,
                            std::int64_t contextLength, const std::string& file);

/// The divisors that llama.cpp's converter writes for a llama3 scaling: one for each of
/// `rotaryDim` / 2 frequencies.
std::vector<float> ropeFactors(const RopeScaling& rope, std::int64_t rotaryDim);

/// Whether both turn every angle alike, but for rounding to float.
bool turnsAlike(const RopeScaling& left, const RopeScaling& right, std::int64_t rotaryDim);

/// A rotary embedding as ropeToJson writes it. GGUF rounds its numbers and has no place for all of
/// llama3's; this key is ours, and counts only if it turns the angles as the others do.
inline constexpr const char* kRopeKey = "longlora.rope";

/// Adds the keys for everything but llama3's divisors.
/// Throws: DataError for what llama.cpp cannot compute.
void addGgufRope(GgufMetadata& metadata, const std::string& architecture, const RopeScaling& rope);

} // namespace longlora
