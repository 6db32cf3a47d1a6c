// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/file_descriptor.h"
#include "core/engine/checkpoint/safetensors.h"
#include "core/engine/checkpoint/safetensors_header.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace longlora {

namespace {

std::filesystem::path folderOf(const std::filesystem::path& file)
{
    return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

[[noreturn]] void throwCannotWrite(const std::filesystem::path& file, int code)
{
    throw DataError("Cannot write " + file.string() + ": " + std::system_category().message(code),
                    code == ENOSPC || code == EDQUOT || code == EFBIG
                        ? "Free some space there, or choose another folder."
                        : "Check the path and the rights of " + folderOf(file).string() + ".");
}

void requireSpace(const std::filesystem::path& file, std::uint64_t bytes)
{
    struct statvfs status = {};
    if (::statvfs(folderOf(file).c_str(), &status) != 0) {
        throwCannotWrite(file, errno);
    }
    const double available =
        static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize);
    if (static_cast<double>(bytes) > available) {
        throw DataError("Not enough space for " + file.string() + ": it needs " +
                            formatBytes(static_cast<double>(bytes)) + ", " +
                            formatBytes(available) + " are free",
                        "Free some space there, or choose another folder.");
    }
}

} // namespace

struct SafetensorsWriter::State {
    std::filesystem::path file;
    std::filesystem::path temporary;
    FileDescriptor descriptor;
    std::vector<Announced> tensors;
    std::size_t next = 0;

    ~State()
    {
        if (descriptor.get() >= 0) {
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

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& file,
                                     const std::vector<Announced>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : m_state(std::make_unique<State>())
{
    const std::string header = formatSafetensorsHeader(tensors, metadata);
    std::string length(8, '\0');
    for (std::size_t i = 0; i < length.size(); ++i) {
        length[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
    }
    std::uint64_t bytes = length.size() + header.size();
    for (const Announced& tensor : tensors) {
        bytes += safetensorsBytes(tensor);
    }
    requireSpace(file, bytes);
    m_state->file = file;
    m_state->tensors = tensors;
    m_state->temporary = file;
    m_state->temporary += ".tmp-" + std::to_string(::getpid());
    m_state->descriptor =
        FileDescriptor::open(m_state->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);
    if (m_state->descriptor.get() < 0) {
        throwCannotWrite(file, errno);
    }
    m_state->append(length);
    m_state->append(header);
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(const std::string& name, const at::Tensor& tensor)
{
    if (m_state->next >= m_state->tensors.size()) {
        throw std::logic_error("tensor " + name + " was not announced");
    }
    const Announced& announced = m_state->tensors[m_state->next];
    if (announced.name != name || announced.dtype != tensor.scalar_type() ||
        !tensor.sizes().equals(announced.sizes)) {
        throw std::logic_error("tensor " + name + " is not what was announced as " +
                               announced.name);
    }
    const at::Tensor bytes = tensor.detach().cpu().contiguous();
    m_state->append({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
    ++m_state->next;
}

void SafetensorsWriter::finish()
{
    if (m_state->next != m_state->tensors.size()) {
        throw std::logic_error("tensor " + m_state->tensors[m_state->next].name +
                               " was announced and not written");
    }
    if (::fdatasync(m_state->descriptor.get()) != 0 ||
        ::rename(m_state->temporary.c_str(), m_state->file.c_str()) != 0) {
        throwCannotWrite(m_state->file, errno);
    }
    m_state->descriptor.close();
    syncDirectory(folderOf(m_state->file));
}

void writeSafetensors(const std::filesystem::path& file,
                      const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata)
{
    std::vector<SafetensorsWriter::Announced> announced;
    for (const auto& [name, tensor] : tensors) {
        announced.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
    }
    std::stable_sort(announced.begin(), announced.end(), [](const auto& left, const auto& right) {
        return safetensorsRank(left.dtype) < safetensorsRank(right.dtype);
    });
    SafetensorsWriter writer(file, announced, metadata);
    for (const auto& tensor : announced) {
        writer.write(tensor.name, tensors.at(tensor.name));
    }
    writer.finish();
}

} // namespace longlora
