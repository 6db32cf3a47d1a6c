// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace longlora {

/// The ids that end an answer by `folder/generation_config.json`: one number or a list; none if
/// there is no such file or it says nothing. Throws: FormatError, DataError.
std::vector<std::int64_t> readGenerationEndIds(const std::filesystem::path& folder);

} // namespace longlora
