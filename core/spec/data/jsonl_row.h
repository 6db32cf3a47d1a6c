// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/data/dataset.h"

#include <string>
#include <string_view>

namespace longlora {

/// A line of training data as it stands: either a text or ready tokens.
struct JsonlRow {
    std::string text;       ///< not empty, or `document` is what the line holds
    TokenDocument document; ///< ids and labels
};

/// Reads one line: {"text": "..."} or {"input_ids": [...], "labels": [...]}; other keys are left
/// alone. Throws: FormatError naming `file` and `where`: bad JSON, neither of the two, an empty
/// one, an id outside [0, vocabularySize), labels of another length or neither -100 nor an id.
JsonlRow readJsonlRow(std::string_view line, std::int64_t vocabularySize, const std::string& file,
                      const std::string& where);

} // namespace longlora
