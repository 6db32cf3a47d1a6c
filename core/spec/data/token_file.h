// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <vector>

namespace longlora {

/// A headerless file of little-endian token ids: uint16 when `vocabularySize` <= 65,536, else
/// uint32. Throws: DataError if unreadable, empty, of odd size, or an id is outside the vocabulary.
std::vector<TokenId> readTokenFile(const std::filesystem::path& file, std::int64_t vocabularySize);

} // namespace longlora
