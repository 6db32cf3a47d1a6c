// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"

#include <filesystem>
#include <optional>

namespace longlora {

/// Reads longlora_adapter.json, which our adapters have beside PEFT's files and others do not. An
/// adapter of LongLoRA's repository has one that does not know the rope: that is no origin.
/// Throws: FormatError.
std::optional<AdapterOrigin> readAdapterOrigin(const std::filesystem::path& folder);
/// Adapter::addsVocabulary, from the same file. Throws: FormatError.
bool readAddsVocabulary(const std::filesystem::path& folder);
/// Throws: DataError.
void writeAdapterOrigin(const std::filesystem::path& folder,
                        const std::optional<AdapterOrigin>& origin, bool addsVocabulary = false);

} // namespace longlora
