// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace longlora {

/// The text of a *.index.json, `file` in messages: tensor to the bare name of the file that holds
/// it. Throws: FormatError for a name that could lead out of the folder, more than 10,000 files,
/// anything that is not {"weight_map": {string: string}}.
std::map<std::string, std::string> parseShardIndex(std::string_view text, const std::string& file);

/// The same from disk, at most 2 MiB. Throws: FormatError, DataError.
std::map<std::string, std::string> readShardIndex(const std::filesystem::path& file);

/// Where a file of an index lies, links followed. They may lead to the same folder, or in a Hugging
/// Face cache (whose files are links into ../../blobs) to anywhere below the folder of that model.
/// Throws: FormatError naming `indexFile` if it is not there or is a link that leaves.
std::filesystem::path shardPath(const std::filesystem::path& folder, const std::string& name,
                                const std::string& indexFile);

} // namespace longlora
