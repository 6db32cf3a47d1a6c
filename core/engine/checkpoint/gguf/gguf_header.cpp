// SPDX-License-Identifier: GPL-3.0-or-later
// Source: the GGUF specification of ggml (docs/gguf.md), version 3.
#include "core/engine/checkpoint/gguf/gguf_header.h"

#include "core/engine/checkpoint/gguf/gguf_cursor.h"
#include "core/engine/checkpoint/gguf/printable.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>
#include <set>

namespace longlora {

namespace {

constexpr std::uint32_t kMagic = 0x46554747; // "GGUF"
constexpr std::uint64_t kMostCount = 100'000;
constexpr std::uint64_t kMostTextBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMostElements = std::uint64_t{8} << 20;
constexpr std::uint64_t kMostKeyBytes = 65535;
constexpr std::uint64_t kMostNameBytes = 63;
constexpr std::uint32_t kMostDimensions = 4;
constexpr std::uint64_t kMostAlignment = std::uint64_t{1} << 20;
constexpr std::string_view kAlignmentKey = "general.alignment";

/// Bytes of a number; 0: a string or an array.
unsigned bytesOf(GgufValueType type)
{
    switch (type) {
    case GgufValueType::Uint8:
    case GgufValueType::Int8:
    case GgufValueType::Bool:
        return 1;
    case GgufValueType::Uint16:
    case GgufValueType::Int16:
        return 2;
    case GgufValueType::Uint32:
    case GgufValueType::Int32:
    case GgufValueType::Float32:
        return 4;
    case GgufValueType::Uint64:
    case GgufValueType::Int64:
    case GgufValueType::Float64:
        return 8;
    case GgufValueType::String:
    case GgufValueType::Array:
        break;
    }
    return 0;
}

bool isReal(GgufValueType type)
{
    return type == GgufValueType::Float32 || type == GgufValueType::Float64;
}

class HeaderReader {
public:
    HeaderReader(const ByteSource& source, const std::string& file)
        : m_source(source)
        , m_cursor(source, file)
    {
        m_header.metadata = GgufMetadata(file);
    }

    GgufHeader read()
    {
        readMagic();
        const std::uint64_t tensors = readCount("tensors");
        const std::uint64_t keys = readCount("keys");
        for (std::uint64_t i = 0; i < keys; ++i) {
            readKey();
        }
        readAlignment();
        std::set<std::string> names;
        for (std::uint64_t i = 0; i < tensors; ++i) {
            readTensor(names);
        }
        placeData();
        return std::move(m_header);
    }

private:
    void readMagic();
    std::uint64_t readCount(const char* what);
    void readKey();
    GgufValueType readType();
    std::int64_t readWhole(GgufValueType type);
    double readReal(GgufValueType type);
    std::string readText();
    GgufValue readValue(GgufValueType type);
    GgufValue readArray();
    void readAlignment();
    void readTensor(std::set<std::string>& names);
    void readSizes(GgufTensor& tensor, const GgmlTypeInfo*& info);
    void placeData();

    const ByteSource& m_source;
    GgufCursor m_cursor;
    GgufHeader m_header;
    std::uint64_t m_textBytes = 0;
    std::uint64_t m_elements = 0;
    std::uint64_t m_dataBytes = 0; ///< of the tensors so far, padded
};

void HeaderReader::readMagic()
{
    const std::uint32_t magic = m_cursor.uint32();
    constexpr std::uint32_t kOld[] = {0x67676d6c, 0x67676d66, 0x67676a74, 0x67676c61};
    if (std::find(std::begin(kOld), std::end(kOld), magic) != std::end(kOld)) {
        m_cursor.fail(0, "this is a model of ggml's formats before GGUF, which are not supported",
                      "Convert it anew with llama.cpp.");
    }
    if (magic != kMagic) {
        m_cursor.fail(0, "does not begin with \"GGUF\": this is no GGUF file");
    }
    const std::uint32_t version = m_cursor.uint32();
    if (version != 0 && (version & 0xFFFF) == 0) {
        m_cursor.fail(4, "the numbers of this file are big-endian, which is not supported",
                      "Convert it anew on a little-endian machine.");
    }
    if (version != 2 && version != 3) {
        m_cursor.fail(4, fmt::format("version {} is not supported", version),
                      "Supported: 2 and 3. Convert the model anew with llama.cpp.");
    }
    m_header.version = version;
}

std::uint64_t HeaderReader::readCount(const char* what)
{
    const std::uint64_t offset = m_cursor.offset();
    const std::uint64_t count = m_cursor.uint64();
    if (count > kMostCount) {
        m_cursor.fail(offset,
                      fmt::format("{} {} are more than the limit of {}", count, what, kMostCount));
    }
    return count;
}

void HeaderReader::readKey()
{
    const std::uint64_t offset = m_cursor.offset();
    std::string key = m_cursor.text(kMostKeyBytes, "a key");
    if (key.empty()) {
        m_cursor.fail(offset, "a key is empty");
    }
    const std::string shown = printable(key);
    GgufValue value = readValue(readType());
    value.offset = offset;
    if (!m_header.metadata.add(std::move(key), std::move(value))) {
        m_cursor.fail(offset, "key " + shown + " stands twice");
    }
}

GgufValueType HeaderReader::readType()
{
    const std::uint64_t offset = m_cursor.offset();
    const std::uint32_t number = m_cursor.uint32();
    if (number > static_cast<std::uint32_t>(GgufValueType::Float64)) {
        m_cursor.fail(offset, fmt::format("the type of a value is {}, which is not known", number));
    }
    return static_cast<GgufValueType>(number);
}

std::int64_t HeaderReader::readWhole(GgufValueType type)
{
    const std::uint64_t offset = m_cursor.offset();
    const std::uint64_t value = m_cursor.unsignedNumber(bytesOf(type));
    switch (type) {
    case GgufValueType::Int8:
        return static_cast<std::int8_t>(value);
    case GgufValueType::Int16:
        return static_cast<std::int16_t>(value);
    case GgufValueType::Int32:
        return static_cast<std::int32_t>(value);
    case GgufValueType::Bool:
        if (value > 1) {
            m_cursor.fail(offset, fmt::format("{} is neither true nor false", value));
        }
        break;
    default:
        break;
    }
    return static_cast<std::int64_t>(value);
}

double HeaderReader::readReal(GgufValueType type)
{
    const std::uint64_t bits = m_cursor.unsignedNumber(bytesOf(type));
    return type == GgufValueType::Float64
               ? std::bit_cast<double>(bits)
               : double{std::bit_cast<float>(static_cast<std::uint32_t>(bits))};
}

std::string HeaderReader::readText()
{
    std::string text = m_cursor.text(kMostTextBytes - m_textBytes, "a string");
    m_textBytes += text.size();
    return text;
}

GgufValue HeaderReader::readValue(GgufValueType type)
{
    if (type == GgufValueType::Array) {
        return readArray();
    }
    if (type == GgufValueType::String) {
        return {type, readText()};
    }
    return isReal(type) ? GgufValue{type, readReal(type)} : GgufValue{type, readWhole(type)};
}

GgufValue HeaderReader::readArray()
{
    const std::uint64_t offset = m_cursor.offset();
    // Checked before anything is done with it: what follows depends on it.
    const GgufValueType type = readType();
    if (type == GgufValueType::Array) {
        m_cursor.fail(offset, "arrays of arrays are not supported");
    }
    const std::uint64_t count = m_cursor.uint64();
    const std::uint64_t least = type == GgufValueType::String ? 8 : bytesOf(type);
    if (count > m_cursor.bytesLeft() / least) {
        m_cursor.fail(offset, fmt::format("an array of {} elements does not fit into the {} bytes "
                                          "that follow",
                                          count, m_cursor.bytesLeft()));
    }
    if (count > kMostElements - m_elements) {
        m_cursor.fail(offset, fmt::format("an array of {} elements: {} are allowed in all", count,
                                          kMostElements));
    }
    m_elements += count;
    const auto readAll = [&](auto values, auto&& readOne) {
        values.reserve(static_cast<std::size_t>(count));
        for (std::uint64_t i = 0; i < count; ++i) {
            values.push_back(readOne());
        }
        return GgufValue{type, std::move(values)};
    };
    if (type == GgufValueType::String) {
        return readAll(std::vector<std::string>(), [&] { return readText(); });
    }
    return isReal(type) ? readAll(std::vector<double>(), [&] { return readReal(type); })
                        : readAll(std::vector<std::int64_t>(), [&] { return readWhole(type); });
}

void HeaderReader::readAlignment()
{
    const GgufMetadata& metadata = m_header.metadata;
    const GgufValue* const value = metadata.find(kAlignmentKey);
    if (value == nullptr) {
        return;
    }
    if (value->isArray() || value->type != GgufValueType::Uint32) {
        metadata.refuse(kAlignmentKey, "must be a number of 32 bits without sign");
    }
    const auto alignment = static_cast<std::uint64_t>(std::get<std::int64_t>(value->data));
    if (!std::has_single_bit(alignment) || alignment > kMostAlignment) {
        metadata.refuse(kAlignmentKey, fmt::format("{} is not a power of two up to {}", alignment,
                                                   kMostAlignment));
    }
    m_header.alignment = alignment;
}

void HeaderReader::readSizes(GgufTensor& tensor, const GgmlTypeInfo*& info)
{
    const std::uint64_t offset = m_cursor.offset();
    const std::string name = "tensor " + printable(tensor.name);
    const std::uint32_t dimensions = m_cursor.uint32();
    if (dimensions < 1 || dimensions > kMostDimensions) {
        m_cursor.fail(offset, fmt::format("{} has {} dimensions instead of 1 to {}", name,
                                          dimensions, kMostDimensions));
    }
    std::uint64_t count = 1;
    for (std::uint32_t i = 0; i < dimensions; ++i) {
        const std::uint64_t size = m_cursor.uint64();
        // The strides of ggml and of LibTorch are signed.
        if (size == 0 || __builtin_mul_overflow(count, size, &count) ||
            count > static_cast<std::uint64_t>(INT64_MAX)) {
            m_cursor.fail(offset, fmt::format("{} has size {} in dimension {}: {}", name, size, i,
                                              size == 0 ? "it is empty" : "its shape overflows"));
        }
        tensor.sizes.insert(tensor.sizes.begin(), static_cast<std::int64_t>(size));
    }
    const std::uint64_t typeOffset = m_cursor.offset();
    const std::uint32_t type = m_cursor.uint32();
    info = findGgmlType(type);
    if (info == nullptr) {
        m_cursor.fail(typeOffset,
                      fmt::format("{} is stored as ggml's type {}, which is not known", name, type),
                      "Quantize the model anew, for example to Q8_0.");
    }
    if (tensor.sizes.back() % info->blockLength != 0) {
        m_cursor.fail(offset,
                      fmt::format("{} has rows of {} numbers, not a multiple of the {} in "
                                  "a block of {}",
                                  name, tensor.sizes.back(), info->blockLength, info->name));
    }
    const auto bytes = ggmlBytes(*info, count);
    if (!bytes) {
        m_cursor.fail(offset, fmt::format("{} has too many bytes: its shape overflows", name));
    }
    tensor.type = info->type;
    tensor.bytes = *bytes;
}

void HeaderReader::readTensor(std::set<std::string>& names)
{
    const std::uint64_t start = m_cursor.offset();
    GgufTensor tensor;
    tensor.name = m_cursor.text(kMostNameBytes, "the name of a tensor");
    const std::string name = "tensor " + printable(tensor.name);
    if (tensor.name.empty() || !names.insert(tensor.name).second) {
        m_cursor.fail(start, tensor.name.empty() ? "a tensor has no name" : name + " stands twice");
    }
    const GgmlTypeInfo* info = nullptr;
    readSizes(tensor, info);
    const std::uint64_t offsetPlace = m_cursor.offset();
    tensor.offset = m_cursor.uint64();
    if (tensor.offset % m_header.alignment != 0) {
        m_cursor.fail(offsetPlace, fmt::format("{} begins at {}, not at a multiple of {}", name,
                                               tensor.offset, m_header.alignment));
    }
    if (tensor.offset != m_dataBytes) {
        m_cursor.fail(offsetPlace,
                      fmt::format("{} begins at {} and {} what ends at {}", name, tensor.offset,
                                  tensor.offset < m_dataBytes ? "overlaps" : "leaves a hole after",
                                  m_dataBytes));
    }
    std::uint64_t end = 0;
    if (__builtin_add_overflow(m_dataBytes, tensor.bytes, &end) ||
        __builtin_add_overflow(end, m_header.alignment - 1, &m_dataBytes)) {
        m_cursor.fail(offsetPlace, name + " overflows the size of the data");
    }
    m_dataBytes &= ~(m_header.alignment - 1);
    m_header.tensors.push_back(std::move(tensor));
}

void HeaderReader::placeData()
{
    const std::uint64_t end = m_cursor.offset();
    // The file has fewer bytes than 2^63, so this does not overflow.
    const std::uint64_t start = (end + m_header.alignment - 1) & ~(m_header.alignment - 1);
    m_header.dataStart = start;
    m_header.fileBytes = m_source.size();
    for (GgufTensor& tensor : m_header.tensors) {
        const std::uint64_t available = m_source.size() > start ? m_source.size() - start : 0;
        if (tensor.offset > available || tensor.bytes > available - tensor.offset) {
            m_cursor.fail(m_source.size(),
                          fmt::format("the file ends inside tensor {}, which needs bytes {} to {} "
                                      "of the data; it is truncated",
                                      printable(tensor.name), tensor.offset,
                                      tensor.offset + tensor.bytes),
                          "Copy or download it again.");
        }
        tensor.offset += start;
    }
}

} // namespace

std::int64_t GgufTensor::count() const
{
    return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies{});
}

const GgufTensor* GgufHeader::find(const std::string& name) const
{
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const auto& tensor) { return tensor.name == name; });
    return found == tensors.end() ? nullptr : &*found;
}

std::uint64_t GgufHeader::bytesAtEnd() const
{
    const std::uint64_t end =
        tensors.empty() ? dataStart : tensors.back().offset + tensors.back().bytes;
    const std::uint64_t padded = (end + alignment - 1) & ~(alignment - 1);
    return fileBytes > padded ? fileBytes - padded : 0;
}

GgufHeader readGgufHeader(const ByteSource& source, const std::string& file)
{
    return HeaderReader(source, file).read();
}

} // namespace longlora
