// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"

#include <filesystem>
#include <optional>

namespace longlora {

/// Reads longlora_adapter.json, which our adapters have beside PEFT's files and others do not.
/// Throws: FormatError.
std::optional<AdapterOrigin> readAdapterOrigin(const std::filesystem::path& folder);
/// Throws: DataError.
void writeAdapterOrigin(const std::filesystem::path& folder, const AdapterOrigin& origin);

} // namespace longlora
