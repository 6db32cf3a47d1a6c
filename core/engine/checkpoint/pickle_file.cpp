// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/pickle_file.h"

#include "core/engine/checkpoint/mapped_file.h"
#include "core/engine/checkpoint/pickle/torch_archive.h"
#include "core/engine/checkpoint/torch_dtype.h"
#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <cstring>
#include <functional>
#include <numeric>

namespace longlora {

namespace {

std::uint64_t numbersIn(const ArchivedTensor& tensor)
{
    return static_cast<std::uint64_t>(std::accumulate(tensor.sizes.begin(), tensor.sizes.end(),
                                                      std::int64_t{1}, std::multiplies{}));
}

} // namespace

struct PickleFile::Contents {
    explicit Contents(const std::filesystem::path& path)
        : file(path)
    {}

    MappedFile file;
    std::map<std::string, ArchivedTensor> tensors;
};

PickleFile PickleFile::open(const std::filesystem::path& file)
{
    const auto contents = std::make_shared<Contents>(file);
    const MappedFile& map = contents->file;
    const ArchiveBytes source{
        file.string(), map.size(),
        [&map](std::uint64_t at, std::uint64_t count) { return map.readAt(at, count); }};
    PickleFile result;
    for (ArchivedTensor& tensor : readTorchArchive(source)) {
        result.m_entries.emplace(
            tensor.name,
            SafetensorsFile::Entry{torchDtype(tensor.dtype), tensor.sizes, tensor.offset,
                                   numbersIn(tensor) * infoOf(tensor.dtype).bytes});
        std::string name = tensor.name;
        contents->tensors.emplace(std::move(name), std::move(tensor));
    }
    result.m_contents = contents;
    return result;
}

const std::filesystem::path& PickleFile::path() const noexcept
{
    return m_contents->file.path();
}

void PickleFile::readAhead(const SafetensorsFile::Entry& entry) const noexcept
{
    m_contents->file.readAhead(entry.offset, entry.bytes);
}

at::Tensor PickleFile::tensor(const std::string& name) const
{
    const MappedFile& file = m_contents->file;
    const auto found = m_contents->tensors.find(name);
    if (found == m_contents->tensors.end()) {
        throw FormatError(path().string(), {}, "there is no tensor " + name);
    }
    const ArchivedTensor& stored = found->second;
    file.requireUnshrunk("tensor " + name);
    const at::TensorOptions options = at::TensorOptions().dtype(torchDtype(stored.dtype));
    if (stored.extent == 0) {
        return at::empty(stored.sizes, options);
    }
    std::byte* const begin = file.data() + stored.offset;
    if (stored.dtype == StoredDtype::Bool) {
        file.requireBooleans(stored.offset, stored.extent, "tensor " + name);
    }
    const std::uint64_t numberBytes = infoOf(stored.dtype).bytes;
    if (stored.offset % numberBytes != 0) {
        at::Tensor copy =
            at::empty(static_cast<std::int64_t>(stored.extent / numberBytes), options);
        std::memcpy(copy.data_ptr(), begin, stored.extent);
        return copy.as_strided(stored.sizes, stored.strides).contiguous();
    }
    const auto release = [contents = m_contents, &stored](void*) {
        contents->file.dropPages(stored.offset, stored.extent);
    };
    return at::from_blob(begin, stored.sizes, stored.strides, release, options).contiguous();
}

} // namespace longlora
