// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/gguf/gguf_file.h"

#include "core/spec/base/error.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace longlora {

struct GgufFile::Map {
    explicit Map(const std::filesystem::path& file)
        : source(file)
    {}
    ~Map()
    {
        if (data != nullptr) {
            ::munmap(data, source.size());
        }
    }
    Map(const Map&) = delete;
    Map& operator=(const Map&) = delete;

    FileSource source;
    std::byte* data = nullptr;
};

GgufFile GgufFile::open(const std::filesystem::path& file)
{
    GgufFile result;
    result.m_path = file;
    result.m_map = std::make_shared<Map>(file);
    Map& map = *result.m_map;
    result.m_header = readGgufHeader(map.source, file.string());
    void* const mapped = ::mmap(nullptr, map.source.size(), PROT_READ, MAP_PRIVATE,
                                map.source.descriptor().get(), 0);
    if (mapped == MAP_FAILED) {
        throw DataError("Cannot read " + file.string() + ": " +
                        std::system_category().message(errno));
    }
    map.data = static_cast<std::byte*>(mapped);
    return result;
}

const std::byte* GgufFile::data(const GgufTensor& tensor) const
{
    m_map->source.requireWhole();
    return m_map->data + tensor.offset;
}

void GgufFile::release(const GgufTensor& tensor) const
{
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t first = (tensor.offset + page - 1) / page * page;
    const std::uint64_t last = (tensor.offset + tensor.bytes) / page * page;
    if (first < last) {
        ::madvise(m_map->data + first, last - first, MADV_DONTNEED);
    }
}

} // namespace longlora
