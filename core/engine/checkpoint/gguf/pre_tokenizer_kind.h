// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/json_object.h"

#include <optional>
#include <string>
#include <string_view>

namespace longlora {

/// How a byte-level tokenizer prepares a text. A GGUF file says it by a name, `tokenizer.json` part
/// by part.
struct PreTokenizerKind {
    std::string_view name;      ///< in "tokenizer.ggml.pre": "llama-bpe"
    std::string_view pattern;   ///< splits a text; empty: GPT-2's pattern
    bool splitsDigits = false;  ///< each digit by itself, before anything else
    bool composes = false;      ///< to normalisation form C
    bool ignoresMerges = false; ///< a word that is a token stays whole
    bool addsBos = false;       ///< where nothing is said
};

/// Nullptr: this program does not know exactly what the name stands for.
const PreTokenizerKind* findPreTokenizer(std::string_view name);
/// "gpt-2, smollm, ..."
std::string knownPreTokenizers();
/// The kind that does the same as the parts of a `tokenizer.json`; nullptr: llama.cpp has none that
/// is known here. `root` is the file without vocabulary and merges.
const PreTokenizerKind* preTokenizerOf(const JsonObject& root);

/// The values of "normalizer" and "pre_tokenizer", as JSON.
std::string normalizerJson(const PreTokenizerKind& kind);
std::string preTokenizerJson(const PreTokenizerKind& kind);

} // namespace longlora
