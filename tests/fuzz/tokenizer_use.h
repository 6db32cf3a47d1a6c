// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/tokenizer.h"

namespace longlora::fuzz {

/// Encodes fixed texts, decodes and streams the ids, and ids all over the vocabulary.
void useTokenizer(const Tokenizer& tokenizer);

} // namespace longlora::fuzz
