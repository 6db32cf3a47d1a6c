// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/sentencepiece_gate.h"

#include <string>

namespace longlora {

/// The bytes of a `tokenizer.model` that says what `model` says: byte-pair encoding with byte
/// fallback and no character map. readSentencePieceModel reads the same from it, if its rules allow
/// these pieces.
std::string sentencePieceModelBytes(const SentencePieceModel& model);

} // namespace longlora
