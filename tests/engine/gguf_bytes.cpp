// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/gguf_bytes.h"

#include <fstream>

namespace longlora::test {

namespace {

std::string littleEndian(std::uint64_t value, int count)
{
    std::string bytes;
    for (int i = 0; i < count; ++i) {
        bytes += static_cast<char>(value >> (8 * i) & 0xFF);
    }
    return bytes;
}

} // namespace

std::string u32(std::uint32_t value)
{
    return littleEndian(value, 4);
}

std::string u64(std::uint64_t value)
{
    return littleEndian(value, 8);
}

std::string ggufText(const std::string& text)
{
    return u64(text.size()) + text;
}

std::string ggufKey(const std::string& key, GgufValueType type, const std::string& value)
{
    return ggufText(key) + u32(static_cast<std::uint32_t>(type)) + value;
}

std::string ggufArray(GgufValueType element, std::uint64_t count, const std::string& elements)
{
    return u32(static_cast<std::uint32_t>(element)) + u64(count) + elements;
}

std::string RawTensor::bytes() const
{
    std::string result = ggufText(name) + u32(static_cast<std::uint32_t>(sizes.size()));
    for (const std::uint64_t size : sizes) {
        result += u64(size);
    }
    return result + u32(type) + u64(offset);
}

std::string RawGguf::header() const
{
    std::string result =
        magic + u32(version) + u64(tensors.size() + moreTensors) + u64(keys.size() + moreKeys);
    for (const std::string& key : keys) {
        result += key;
    }
    for (const RawTensor& tensor : tensors) {
        result += tensor.bytes();
    }
    return result;
}

std::string RawGguf::bytes() const
{
    std::string result = header();
    result.resize((result.size() + alignment - 1) / alignment * alignment, '\0');
    return result + data;
}

RawGguf soundGguf()
{
    RawGguf file;
    file.keys = {ggufKey("general.architecture", GgufValueType::String, ggufText("llama"))};
    file.tensors = {RawTensor{}};
    file.data = std::string(32, '\1');
    return file;
}

void writeRaw(const std::filesystem::path& file, const std::string& bytes)
{
    std::ofstream(file, std::ios::binary) << bytes;
}

} // namespace longlora::test
