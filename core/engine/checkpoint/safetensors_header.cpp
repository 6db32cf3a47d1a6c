// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/safetensors_header.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace longlora {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxTensors = 1'000'000;
constexpr std::size_t kMaxRank = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

/// A name from a file as a message may carry it.
std::string printable(std::string_view name)
{
    constexpr std::size_t kLongest = 160;
    std::string text(name.substr(0, kLongest));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return name.size() > kLongest ? text + "..." : text;
}

/// One tensor as the header spells it.
struct RawEntry {
    std::optional<std::string> dtype;
    std::optional<std::vector<std::uint64_t>> shape;
    std::optional<std::vector<std::uint64_t>> offsets;
};

/// Accepts exactly the grammar of a header, event by event, so that a hostile one costs no more
/// memory than its text: {name: {"dtype": s, "shape": [n...], "data_offsets": [n, n]}...,
/// "__metadata__": {s: s...}}.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit HeaderReader(const std::string& file)
        : m_file(file)
    {}

    std::map<std::string, RawEntry> tensors;
    std::map<std::string, std::string> metadata;

    bool null() override { refuse("null has no place here"); }
    bool boolean(bool) override { refuse("true and false have no place here"); }
    bool number_integer(number_integer_t value) override
    {
        refuse(fmt::format("{} is negative", value));
    }
    bool number_float(number_float_t, const string_t& text) override
    {
        refuse(printable(text) + " is not a whole number in range");
    }
    bool binary(binary_t&) override { refuse("binary data has no place here"); }

    bool number_unsigned(number_unsigned_t value) override
    {
        if (m_numbers == nullptr) {
            refuse("a number has no place here");
        }
        if (m_numbers->size() >= kMaxRank) {
            refuse(fmt::format("{} has more than {} numbers", m_key, kMaxRank));
        }
        m_numbers->push_back(value);
        return true;
    }

    bool string(string_t& text) override
    {
        if (m_depth != 2 || m_numbers != nullptr) {
            refuse("a string has no place here");
        }
        if (m_inMetadata) {
            metadata[m_key] = text;
        } else if (m_key == "dtype") {
            m_tensor->dtype = text;
        } else {
            refuse(m_key + " must be an array of numbers");
        }
        return true;
    }

    bool key(string_t& name) override
    {
        m_key = name;
        if (m_depth == 1) {
            m_name = name;
            m_inMetadata = name == kMetadataKey;
            if (m_inMetadata ? std::exchange(m_hadMetadata, true) : tensors.contains(name)) {
                refuse("the name stands twice");
            }
            if (tensors.size() >= kMaxTensors) {
                refuse(fmt::format("more than {} tensors", kMaxTensors));
            }
            m_tensor = m_inMetadata ? nullptr : &tensors[name];
            return true;
        }
        if (m_inMetadata) {
            if (!metadata.try_emplace(name).second) {
                refuse("key " + printable(name) + " stands twice");
            }
            return true;
        }
        const bool twice = (name == "dtype" && m_tensor->dtype) ||
                           (name == "shape" && m_tensor->shape) ||
                           (name == "data_offsets" && m_tensor->offsets);
        if (twice) {
            refuse("key " + name + " stands twice");
        }
        if (name != "dtype" && name != "shape" && name != "data_offsets") {
            refuse("unknown key " + printable(name));
        }
        return true;
    }

    bool start_object(std::size_t) override
    {
        if (m_depth >= 2 || m_numbers != nullptr) {
            refuse("nested too deep");
        }
        ++m_depth;
        return true;
    }
    bool end_object() override
    {
        --m_depth;
        return true;
    }
    bool start_array(std::size_t) override
    {
        if (m_depth != 2 || m_inMetadata || m_numbers != nullptr || m_key == "dtype") {
            refuse("an array has no place here");
        }
        auto& numbers = m_key == "shape" ? m_tensor->shape : m_tensor->offsets;
        m_numbers = &numbers.emplace();
        return true;
    }
    bool end_array() override
    {
        m_numbers = nullptr;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::json::exception&) override
    {
        throw FormatError(m_file, fmt::format("header byte {}", position), "not valid JSON");
    }

private:
    [[noreturn]] void refuse(const std::string& what) const
    {
        throw FormatError(m_file, m_name.empty() ? "header" : "tensor " + printable(m_name), what);
    }

    const std::string& m_file;
    int m_depth = 0;
    bool m_inMetadata = false;
    bool m_hadMetadata = false;
    std::string m_name; ///< of the tensor
    std::string m_key;  ///< inside the tensor or the metadata
    RawEntry* m_tensor = nullptr;
    std::vector<std::uint64_t>* m_numbers = nullptr;
};

StoredDtype dtypeNamed(const std::string& name)
{
    const auto dtype = storedDtypeNamed(name);
    if (!dtype) {
        throw std::invalid_argument("dtype " + printable(name) +
                                    " is not supported (F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL)");
    }
    return *dtype;
}

/// Turns the header's words into an entry; offsets stay relative to the data.
/// Throws: std::invalid_argument.
StoredTensor checkedEntry(const RawEntry& raw, const SafetensorsExtent& extent)
{
    if (!raw.dtype || !raw.shape || !raw.offsets) {
        throw std::invalid_argument(std::string(!raw.dtype   ? "dtype"
                                                : !raw.shape ? "shape"
                                                             : "data_offsets") +
                                    " is missing");
    }
    if (raw.offsets->size() != 2) {
        throw std::invalid_argument("data_offsets must be two numbers");
    }
    StoredTensor entry{dtypeNamed(*raw.dtype), {}, 0, 0};
    std::uint64_t bytes = infoOf(entry.dtype).bytes;
    // Strides multiply the sizes that are not 0, so their product must fit too.
    std::uint64_t span = bytes;
    bool overflow = false;
    for (const std::uint64_t size : *raw.shape) {
        overflow |= __builtin_mul_overflow(bytes, size, &bytes);
        overflow |= __builtin_mul_overflow(span, std::max<std::uint64_t>(size, 1), &span);
        overflow |= span > static_cast<std::uint64_t>(INT64_MAX);
        entry.sizes.push_back(static_cast<std::int64_t>(size));
    }
    if (overflow) {
        throw std::invalid_argument(
            fmt::format("shape [{}] overflows", fmt::join(*raw.shape, ", ")));
    }
    const std::uint64_t begin = raw.offsets->front();
    const std::uint64_t end = raw.offsets->back();
    if (begin > end) {
        throw std::invalid_argument(fmt::format("data_offsets [{}, {}] run backwards", begin, end));
    }
    if (end > extent.dataBytes) {
        throw std::invalid_argument(
            fmt::format("data_offsets [{}, {}] leave the {} bytes of data; the file may be "
                        "truncated",
                        begin, end, extent.dataBytes));
    }
    if (end - begin != bytes) {
        throw std::invalid_argument(fmt::format("data_offsets [{}, {}] hold {} bytes, but {} [{}] "
                                                "needs {}",
                                                begin, end, end - begin, *raw.dtype,
                                                fmt::join(*raw.shape, ", "), bytes));
    }
    entry.offset = begin;
    entry.bytes = bytes;
    return entry;
}

/// Every byte of the data belongs to exactly one tensor: nothing can hide in the file.
void requireExactCover(const std::map<std::string, StoredTensor>& entries, const std::string& file,
                       const SafetensorsExtent& extent)
{
    std::vector<const std::pair<const std::string, StoredTensor>*> order;
    order.reserve(entries.size());
    for (const auto& item : entries) {
        order.push_back(&item);
    }
    std::sort(order.begin(), order.end(), [](const auto* left, const auto* right) {
        return std::pair(left->second.offset, left->second.bytes) <
               std::pair(right->second.offset, right->second.bytes);
    });
    std::uint64_t covered = 0;
    for (const auto* item : order) {
        const std::uint64_t begin = item->second.offset;
        if (begin != covered) {
            throw FormatError(
                file, "tensor " + printable(item->first),
                begin > covered
                    ? fmt::format("begins at {} and leaves a hole after {}", begin, covered)
                    : fmt::format("begins at {} and overlaps what ends at {}", begin, covered));
        }
        covered = begin + item->second.bytes;
    }
    if (covered != extent.dataBytes) {
        throw FormatError(
            file, fmt::format("offset {}", extent.dataStart + covered),
            fmt::format("{} bytes at the end belong to no tensor", extent.dataBytes - covered));
    }
}

} // namespace

SafetensorsHeader parseSafetensorsHeader(std::string_view text, const std::string& file,
                                         const SafetensorsExtent& extent)
{
    if (text.empty() || text.front() != '{') {
        throw FormatError(file, "header byte 0", "must be {");
    }
    // The JSON parser takes a zero byte for the end and would not see what stands behind it.
    if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
        throw FormatError(file, fmt::format("header byte {}", zero), "a zero byte");
    }
    HeaderReader reader(file);
    nlohmann::json::sax_parse(text, &reader);

    SafetensorsHeader header;
    header.metadata = std::move(reader.metadata);
    for (const auto& [name, raw] : reader.tensors) {
        try {
            header.entries.emplace(name, checkedEntry(raw, extent));
        } catch (const std::invalid_argument& error) {
            throw FormatError(file, "tensor " + printable(name), error.what());
        }
    }
    requireExactCover(header.entries, file, extent);
    for (auto& [name, entry] : header.entries) {
        entry.offset += extent.dataStart;
    }
    return header;
}

std::uint64_t bytesOf(const TensorToStore& tensor)
{
    std::uint64_t bytes = infoOf(tensor.dtype).bytes;
    for (const std::int64_t size : tensor.sizes) {
        bytes *= static_cast<std::uint64_t>(size);
    }
    return bytes;
}

std::string formatSafetensorsHeader(const std::vector<TensorToStore>& tensors,
                                    const std::map<std::string, std::string>& metadata)
{
    Json header = Json::object();
    if (!metadata.empty()) {
        header[std::string(kMetadataKey)] = metadata;
    }
    std::uint64_t offset = 0;
    for (const TensorToStore& tensor : tensors) {
        if (tensor.name == kMetadataKey || header.contains(tensor.name)) {
            throw std::logic_error("cannot announce tensor " + tensor.name);
        }
        const std::uint64_t end = offset + bytesOf(tensor);
        header[tensor.name] = {{"dtype", infoOf(tensor.dtype).name},
                               {"shape", tensor.sizes},
                               {"data_offsets", {offset, end}}};
        offset = end;
    }
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
}

} // namespace longlora
