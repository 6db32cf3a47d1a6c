// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>

namespace longlora::test {

/// The bytes of a safetensors file with this header, right or wrong.
std::string safetensorsBytes(const std::string& header, const std::string& data);

void writeBytes(const std::filesystem::path& file, const std::string& bytes);
std::string readBytes(const std::filesystem::path& file);

} // namespace longlora::test
