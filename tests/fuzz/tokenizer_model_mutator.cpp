// SPDX-License-Identifier: GPL-3.0-or-later
// Changes a ModelProto inside its structure: one field, deep inside, with all lengths put right.
// Blind changes would break the lengths around it and never get past the first checks of the gate.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t maximum);

namespace longlora::fuzz {

namespace {

using Random = std::minstd_rand;

/// A field as bytes: `head` is all of one that has no length, or what stands before the length.
struct Field {
    std::string head;
    std::optional<std::string> payload;
};

std::optional<std::uint64_t> takeVarint(std::string_view& bytes)
{
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        value |= std::uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    return std::nullopt;
}

void appendVarint(std::string& bytes, std::uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        bytes += static_cast<char>((value & 0x7F) | 0x80);
    }
    bytes += static_cast<char>(value);
}

/// Empty if `bytes` is no message.
std::vector<Field> fieldsOf(std::string_view bytes)
{
    std::vector<Field> fields;
    while (!bytes.empty()) {
        const std::string_view start = bytes;
        const auto tag = takeVarint(bytes);
        if (!tag || *tag < 8) {
            return {};
        }
        const std::string_view afterTag = bytes;
        std::optional<std::uint64_t> size = 0;
        switch (*tag & 7) {
        case 0:
            size = takeVarint(bytes) ? std::optional<std::uint64_t>(0) : std::nullopt;
            break;
        case 1:
        case 5:
            size = (*tag & 7) == 1 ? 8 : 4;
            break;
        case 2:
            size = takeVarint(bytes);
            break;
        default:
            return {};
        }
        if (!size || *size > bytes.size()) {
            return {};
        }
        const bool hasLength = (*tag & 7) == 2;
        const std::string_view payload = bytes.substr(0, *size);
        bytes.remove_prefix(*size);
        const std::size_t headSize = start.size() - (hasLength ? afterTag : bytes).size();
        fields.push_back({std::string(start.substr(0, headSize)),
                          hasLength ? std::optional(std::string(payload)) : std::nullopt});
    }
    return fields;
}

std::string bytesOf(const std::vector<Field>& fields)
{
    std::string bytes;
    for (const Field& field : fields) {
        bytes += field.head;
        if (field.payload) {
            appendVarint(bytes, field.payload->size());
            bytes += *field.payload;
        }
    }
    return bytes;
}

void mutateBytes(std::string& bytes, Random& random)
{
    constexpr std::size_t kRoom = 32;
    // Words of a double array are changed as words.
    if (bytes.size() >= 1028 && random() % 2 == 0) {
        LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()) +
                             4 * (random() % (bytes.size() / 4)),
                         4, 4);
        return;
    }
    const std::size_t size = bytes.size();
    bytes.resize(size + kRoom);
    bytes.resize(
        LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, bytes.size()));
}

void mutateMessage(std::string& bytes, Random& random, int depth)
{
    std::vector<Field> fields = fieldsOf(bytes);
    if (fields.empty() || depth == 0) {
        mutateBytes(bytes, random);
        return;
    }
    // Settings stand at the end, behind hundreds of pieces.
    const std::size_t last = std::min<std::size_t>(fields.size(), 6);
    const std::size_t chosen =
        random() % 2 == 0 ? random() % fields.size() : fields.size() - 1 - random() % last;
    Field& field = fields[chosen];
    switch (random() % 8) {
    case 0:
        fields.push_back(field);
        break;
    case 1:
        fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(chosen));
        break;
    default:
        if (field.payload) {
            mutateMessage(*field.payload, random, depth - 1);
        } else {
            mutateBytes(field.head, random);
        }
    }
    bytes = bytesOf(fields);
}

} // namespace

} // namespace longlora::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t maximum, unsigned seed)
{
    longlora::fuzz::Random random(seed + 1);
    // One in eight is any file at all.
    if (random() % 8 == 0) {
        return LLVMFuzzerMutate(data, size, maximum);
    }
    std::string bytes(reinterpret_cast<const char*>(data), size);
    longlora::fuzz::mutateMessage(bytes, random, 4);
    const std::size_t count = std::min(bytes.size(), maximum);
    std::memcpy(data, bytes.data(), count);
    return count;
}
