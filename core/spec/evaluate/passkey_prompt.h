// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

namespace longlora {

/// One passkey question: a number hidden in filler text.
struct PasskeyPrompt {
    std::string text;   ///< everything before the answer
    std::string answer; ///< the digits, as text
    double depth = 0.0; ///< 0: the key stands first, 1: last
    std::int64_t seed = 0;
};

/// LongLoRA's prompt: `garbageCharacters` of filler around the key, drawn as NumPy's legacy
/// generator does (MT19937, masked rejection), so that prompts are the original's, byte for byte.
/// Source: passkey_retrivial.py of the LongLoRA repository (the format, not the code).
PasskeyPrompt passkeyPrompt(std::int64_t garbageCharacters, std::int64_t seed);

/// The same text with the key at a chosen depth in [0, 1] instead of a drawn one.
PasskeyPrompt passkeyPromptAtDepth(std::int64_t garbageCharacters, double depth, std::int64_t seed);

} // namespace longlora
