// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <memory>

namespace longlora {

/// Reads `tokenizer.model` or `tokenizer.json` itself, told apart by its name, with the settings
/// that stand beside it; loadTokenizer() does so for a folder. Throws: FormatError, DataError.
std::unique_ptr<Tokenizer> loadTokenizerFile(const std::filesystem::path& file);

} // namespace longlora
