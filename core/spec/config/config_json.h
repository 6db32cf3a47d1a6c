// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace longlora {

/// Complete JSON, every default written out, keys as in the headless contract, indent 2.
std::string runConfigToJson(const RunConfig& config);

/// Throws: ConfigError for unknown keys (names the nearest known one), wrong types, unknown
/// enumerators, numbers out of range; FormatError if `text` is not JSON. `file` names the source.
RunConfig runConfigFromJson(std::string_view text, const std::string& file);
RunConfig readRunConfig(const std::filesystem::path& file);

/// Applies "lora.rank=16" to `config`. The value is JSON, or a bare word taken as a string.
/// Throws: ConfigError.
void applySetting(RunConfig& config, std::string_view keyEqualsValue);

/// The shortest `longlora train` command line that repeats `config`: only what differs from the
/// defaults, quoted for a POSIX shell.
std::string trainCommandLine(const RunConfig& config);

} // namespace longlora
