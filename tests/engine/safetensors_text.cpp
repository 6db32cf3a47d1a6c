// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/safetensors_text.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace longlora::test {

std::string safetensorsBytes(const std::string& header, const std::string& data)
{
    std::string bytes;
    for (int i = 0; i < 8; ++i) {
        bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
    }
    return bytes + header + data;
}

void writeBytes(const std::filesystem::path& file, const std::string& bytes)
{
    std::ofstream stream(file, std::ios::binary | std::ios::trunc);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!stream.flush()) {
        throw std::runtime_error("cannot write " + file.string());
    }
}

std::string readBytes(const std::filesystem::path& file)
{
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
        throw std::runtime_error("cannot read " + file.string());
    }
    return {std::istreambuf_iterator<char>(stream), {}};
}

} // namespace longlora::test
