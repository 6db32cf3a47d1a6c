// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/gguf_parts.h"

#include <algorithm>
#include <stdexcept>

namespace longlora::test {

GgufParts GgufParts::of(const std::filesystem::path& path)
{
    const GgufFile file = GgufFile::open(path);
    GgufParts parts;
    parts.keys = file.metadata().entries();
    for (const GgufTensor& tensor : file.header().tensors) {
        const std::byte* const data = file.data(tensor);
        parts.tensors.push_back(
            {{tensor.name, tensor.type, tensor.sizes}, {data, data + tensor.bytes}});
    }
    return parts;
}

void GgufParts::set(const std::string& key, GgufValue value)
{
    const auto found = std::find_if(keys.begin(), keys.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (found == keys.end()) {
        keys.emplace_back(key, std::move(value));
    } else {
        found->second = std::move(value);
    }
}

void GgufParts::remove(const std::string& key)
{
    std::erase_if(keys, [&](const auto& entry) { return entry.first == key; });
}

void GgufParts::removeTensor(const std::string& name)
{
    std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.announced.name == name; });
}

GgufParts::Tensor& GgufParts::tensor(const std::string& name)
{
    for (Tensor& tensor : tensors) {
        if (tensor.announced.name == name) {
            return tensor;
        }
    }
    throw std::runtime_error("there is no tensor " + name);
}

void GgufParts::write(const std::filesystem::path& file) const
{
    GgufMetadata metadata;
    for (const auto& [key, value] : keys) {
        metadata.add(key, value);
    }
    std::vector<GgufWriter::Announced> announced;
    for (const Tensor& tensor : tensors) {
        announced.push_back(tensor.announced);
    }
    GgufWriter writer(file, metadata, announced);
    for (const Tensor& tensor : tensors) {
        writer.write(tensor.bytes);
    }
    writer.finish();
    writer.commit();
}

} // namespace longlora::test
