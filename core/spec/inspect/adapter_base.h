// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace longlora {

/// base_model_name_or_path of adapter_config.json; empty if the file does not say or cannot be
/// read.
std::string namedBase(const std::filesystem::path& adapter);

/// The model folder that an adapter names as its base: a folder, as it is or from the adapter's own
/// or its parent's, or a name in the local Hugging Face cache. Empty if it is not on this machine.
std::optional<std::filesystem::path> findNamedBase(const std::filesystem::path& adapter);

} // namespace longlora
