// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_writer.h"

#include "core/engine/checkpoint/file_descriptor.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/disk_space.h"
#include "core/spec/base/error.h"
#include "core/spec/base/file_errors.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string_view>

namespace longlora {

namespace {

constexpr std::uint64_t kAlignment = 32;
constexpr std::uint32_t kVersion = 3;

void appendNumber(std::string& bytes, std::uint64_t value, unsigned count)
{
    for (unsigned i = 0; i < count; ++i) {
        bytes += static_cast<char>(value >> (8 * i) & 0xFF);
    }
}

void appendText(std::string& bytes, std::string_view text)
{
    appendNumber(bytes, text.size(), 8);
    bytes += text;
}

void appendElement(std::string& bytes, GgufValueType, const std::string& text)
{
    appendText(bytes, text);
}

void appendElement(std::string& bytes, GgufValueType type, double value)
{
    if (type == GgufValueType::Float64) {
        appendNumber(bytes, std::bit_cast<std::uint64_t>(value), 8);
    } else {
        appendNumber(bytes, std::bit_cast<std::uint32_t>(static_cast<float>(value)), 4);
    }
}

void appendElement(std::string& bytes, GgufValueType type, std::int64_t value)
{
    const bool isByte =
        type == GgufValueType::Bool || type == GgufValueType::Uint8 || type == GgufValueType::Int8;
    const bool isShort = type == GgufValueType::Uint16 || type == GgufValueType::Int16;
    const bool isLong = type == GgufValueType::Uint64 || type == GgufValueType::Int64;
    appendNumber(bytes, static_cast<std::uint64_t>(value),
                 isByte    ? 1U
                 : isShort ? 2U
                 : isLong  ? 8U
                           : 4U);
}

template <class Scalar>
void appendData(std::string& bytes, GgufValueType type, const Scalar& value)
{
    appendElement(bytes, type, value);
}

template <class Element>
void appendData(std::string& bytes, GgufValueType type, const std::vector<Element>& values)
{
    appendNumber(bytes, values.size(), 8);
    for (const Element& value : values) {
        appendElement(bytes, type, value);
    }
}

void appendValue(std::string& bytes, const GgufValue& value)
{
    if (value.isArray()) {
        appendNumber(bytes, static_cast<std::uint32_t>(GgufValueType::Array), 4);
    }
    appendNumber(bytes, static_cast<std::uint32_t>(value.type), 4);
    std::visit([&](const auto& data) { appendData(bytes, value.type, data); }, value.data);
}

std::uint64_t bytesOf(const GgufWriter::Announced& tensor)
{
    std::uint64_t count = 1;
    for (const std::int64_t size : tensor.sizes) {
        count *= static_cast<std::uint64_t>(size);
    }
    return *ggmlBytes(ggmlTypeInfo(tensor.type), count);
}

std::uint64_t padded(std::uint64_t bytes)
{
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Everything before the data, padded.
std::string headerOf(const GgufMetadata& metadata,
                     const std::vector<GgufWriter::Announced>& tensors)
{
    std::string bytes = "GGUF";
    appendNumber(bytes, kVersion, 4);
    appendNumber(bytes, tensors.size(), 8);
    appendNumber(bytes, metadata.entries().size(), 8);
    for (const auto& [key, value] : metadata.entries()) {
        appendText(bytes, key);
        appendValue(bytes, value);
    }
    std::uint64_t offset = 0;
    for (const auto& tensor : tensors) {
        appendText(bytes, tensor.name);
        appendNumber(bytes, tensor.sizes.size(), 4);
        for (auto size = tensor.sizes.rbegin(); size != tensor.sizes.rend(); ++size) {
            appendNumber(bytes, static_cast<std::uint64_t>(*size), 8);
        }
        appendNumber(bytes, static_cast<std::uint32_t>(tensor.type), 4);
        appendNumber(bytes, offset, 8);
        offset += padded(bytesOf(tensor));
    }
    bytes.resize(static_cast<std::size_t>(padded(bytes.size())), '\0');
    return bytes;
}

void requireAbsent(const std::filesystem::path& file)
{
    std::error_code ignored;
    if (std::filesystem::symlink_status(file, ignored).type() !=
        std::filesystem::file_type::not_found) {
        throw ConfigError("The output file " + file.string() + " exists already",
                          "Choose a new name, or remove it first.");
    }
}

} // namespace

struct GgufWriter::State {
    std::filesystem::path file;
    std::filesystem::path temporary;
    FileDescriptor descriptor;
    std::vector<std::uint64_t> left; ///< bytes of the tensors that are missing, by tensor
    std::vector<std::uint64_t> padding;
    std::size_t next = 0;
    bool isCommitted = false;

    ~State()
    {
        if (!temporary.empty() && !isCommitted) {
            ::unlink(temporary.c_str());
        }
    }

    void append(std::string_view bytes) const
    {
        while (!bytes.empty()) {
            const ssize_t written = ::write(descriptor.get(), bytes.data(), bytes.size());
            if (written < 0 && errno != EINTR) {
                throwCannotWrite(file, errno);
            }
            bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        }
    }
};

GgufWriter::GgufWriter(const std::filesystem::path& file, const GgufMetadata& metadata,
                       const std::vector<Announced>& tensors)
    : m_state(std::make_unique<State>())
{
    requireAbsent(file);
    const std::string header = headerOf(metadata, tensors);
    std::uint64_t bytes = header.size();
    for (const Announced& tensor : tensors) {
        m_state->left.push_back(bytesOf(tensor));
        m_state->padding.push_back(padded(bytesOf(tensor)) - bytesOf(tensor));
        bytes += padded(bytesOf(tensor));
    }
    requireDiskSpace(file, static_cast<double>(bytes));
    m_state->file = file;
    std::filesystem::path temporary = file;
    temporary += ".tmp-" + std::to_string(::getpid());
    m_state->descriptor =
        FileDescriptor::open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);
    if (m_state->descriptor.get() < 0) {
        throwCannotWrite(file, errno);
    }
    m_state->temporary = std::move(temporary);
    m_state->append(header);
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::write(std::span<const std::byte> bytes)
{
    State& state = *m_state;
    if (state.next >= state.left.size() || bytes.size() > state.left[state.next]) {
        throw std::logic_error("more bytes than were announced");
    }
    state.append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    state.left[state.next] -= bytes.size();
    if (state.left[state.next] == 0) {
        state.append(std::string(static_cast<std::size_t>(state.padding[state.next]), '\0'));
        ++state.next;
    }
}

const std::filesystem::path& GgufWriter::finish()
{
    if (m_state->next != m_state->left.size()) {
        throw std::logic_error("fewer tensors than were announced");
    }
    if (::fdatasync(m_state->descriptor.get()) != 0 || m_state->descriptor.close() != 0) {
        throwCannotWrite(m_state->file, errno);
    }
    return m_state->temporary;
}

void GgufWriter::commit()
{
    requireAbsent(m_state->file);
    if (::rename(m_state->temporary.c_str(), m_state->file.c_str()) != 0) {
        throwCannotWrite(m_state->file, errno);
    }
    m_state->isCommitted = true;
    syncDirectory(folderOf(m_state->file));
}

} // namespace longlora
