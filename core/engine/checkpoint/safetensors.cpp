// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/safetensors.h"

#include "core/engine/checkpoint/safetensors_map.h"
#include "core/engine/checkpoint/torch_dtype.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

namespace longlora {

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& file)
{
    SafetensorsFile result;
    result.m_map = std::make_shared<SafetensorsMap>(file);
    for (const auto& [name, tensor] : result.m_map->header().entries) {
        result.m_entries.emplace_hint(
            result.m_entries.end(), name,
            Entry{torchDtype(tensor.dtype), tensor.sizes, tensor.offset, tensor.bytes});
    }
    return result;
}

const std::filesystem::path& SafetensorsFile::path() const noexcept
{
    return m_map->path();
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const noexcept
{
    return m_map->header().metadata;
}

void SafetensorsFile::readAhead(const Entry& entry) const noexcept
{
    m_map->readAhead(entry.offset, entry.bytes);
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const
{
    const StoredTensor& entry = m_map->entry(name);
    std::byte* const begin = m_map->dataOf(name);
    const at::TensorOptions options = at::TensorOptions().dtype(torchDtype(entry.dtype));
    if (entry.bytes == 0) {
        return at::empty(entry.sizes, options);
    }
    if (reinterpret_cast<std::uintptr_t>(begin) % infoOf(entry.dtype).bytes != 0) {
        at::Tensor copy = at::empty(entry.sizes, options);
        std::memcpy(copy.data_ptr(), begin, entry.bytes);
        return copy;
    }
    const auto release = [map = m_map, &entry](void*) { map->dropPages(entry); };
    return at::from_blob(begin, entry.sizes, release, options);
}

} // namespace longlora
