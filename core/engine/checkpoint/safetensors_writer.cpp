// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/file_descriptor.h"
#include "core/engine/checkpoint/safetensors.h"
#include "core/engine/checkpoint/safetensors_header.h"
#include "core/engine/checkpoint/torch_dtype.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/disk_space.h"
#include "core/spec/base/error.h"
#include "core/spec/base/file_errors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace longlora {

namespace {

TensorToStore toStore(const SafetensorsWriter::Announced& tensor)
{
    const auto dtype = storedDtype(tensor.dtype);
    if (!dtype) {
        throw std::logic_error("cannot announce tensor " + tensor.name);
    }
    return {tensor.name, *dtype, tensor.sizes};
}

} // namespace

struct SafetensorsWriter::State {
    std::filesystem::path file;
    std::filesystem::path temporary;
    FileDescriptor descriptor;
    std::vector<Announced> tensors;
    std::size_t next = 0;
    std::uint64_t nextBytes = 0; ///< of the next tensor, written already
    off_t fileBytes = 0;
    off_t startedBytes = 0; ///< on their way to the disk

    ~State()
    {
        if (descriptor.get() >= 0) {
            ::unlink(temporary.c_str());
        }
    }

    void append(std::string_view bytes)
    {
        while (!bytes.empty()) {
            const ssize_t written = ::write(descriptor.get(), bytes.data(), bytes.size());
            if (written < 0 && errno != EINTR) {
                throwCannotWrite(file, errno);
            }
            const ssize_t count = std::max<ssize_t>(written, 0);
            bytes.remove_prefix(static_cast<std::size_t>(count));
            fileBytes += count;
        }
        startWriteBack();
    }

    /// The disk works while the next tensors are computed, instead of all at the end.
    void startWriteBack()
    {
        constexpr off_t kWindow = off_t{32} << 20;
        if (fileBytes - startedBytes >= kWindow) {
            // A hint: finish() waits for everything and sees what goes wrong.
            ::sync_file_range(descriptor.get(), startedBytes, fileBytes - startedBytes,
                              SYNC_FILE_RANGE_WRITE);
            startedBytes = fileBytes;
        }
    }

    const Announced& announcedNext(const std::string& name, const at::Tensor& tensor) const
    {
        if (next >= tensors.size()) {
            throw std::logic_error("tensor " + name + " was not announced");
        }
        const Announced& announced = tensors[next];
        if (announced.name != name || announced.dtype != tensor.scalar_type()) {
            throw std::logic_error("tensor " + name + " is not what was announced as " +
                                   announced.name);
        }
        return announced;
    }
};

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& file,
                                     const std::vector<Announced>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : m_state(std::make_unique<State>())
{
    std::vector<TensorToStore> stored;
    std::transform(tensors.begin(), tensors.end(), std::back_inserter(stored), toStore);
    const std::string header = formatSafetensorsHeader(stored, metadata);
    std::string length(8, '\0');
    for (std::size_t i = 0; i < length.size(); ++i) {
        length[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
    }
    std::uint64_t bytes = length.size() + header.size();
    for (const TensorToStore& tensor : stored) {
        bytes += bytesOf(tensor);
    }
    requireDiskSpace(file, static_cast<double>(bytes));
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
    const Announced& announced = m_state->announcedNext(name, tensor);
    if (m_state->nextBytes != 0 || !tensor.sizes().equals(announced.sizes)) {
        throw std::logic_error("tensor " + name + " is not of the shape that was announced");
    }
    const at::Tensor bytes = tensor.detach().cpu().contiguous();
    m_state->append({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
    ++m_state->next;
}

void SafetensorsWriter::writeRows(const std::string& name, const at::Tensor& rows)
{
    const Announced& announced = m_state->announcedNext(name, rows);
    const at::IntArrayRef sizes(announced.sizes);
    const std::uint64_t expected = safetensorsBytes(announced);
    m_state->nextBytes += rows.nbytes();
    if (sizes.empty() || rows.dim() != std::ssize(sizes) ||
        !rows.sizes().slice(1).equals(sizes.slice(1)) || m_state->nextBytes > expected) {
        throw std::logic_error("rows of " + name + " are not of the shape that was announced");
    }
    const at::Tensor bytes = rows.detach().cpu().contiguous();
    m_state->append({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
    if (m_state->nextBytes == expected) {
        m_state->nextBytes = 0;
        ++m_state->next;
    }
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

std::uint64_t safetensorsBytes(const SafetensorsWriter::Announced& tensor)
{
    return bytesOf(toStore(tensor));
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
        return storedDtype(left.dtype) < storedDtype(right.dtype);
    });
    SafetensorsWriter writer(file, announced, metadata);
    for (const auto& tensor : announced) {
        writer.write(tensor.name, tensors.at(tensor.name));
    }
    writer.finish();
}

} // namespace longlora
