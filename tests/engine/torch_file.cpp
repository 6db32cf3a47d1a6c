// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/torch_file.h"

#include "tests/engine/safetensors_text.h"
#include "tests/engine/torch_archive_bytes.h"

#include <ATen/Tensor.h>

#include <map>
#include <stdexcept>

namespace longlora::test {

namespace {

std::string storageClass(at::ScalarType dtype)
{
    switch (dtype) {
    case at::kFloat:
        return "FloatStorage";
    case at::kDouble:
        return "DoubleStorage";
    case at::kHalf:
        return "HalfStorage";
    case at::kBFloat16:
        return "BFloat16Storage";
    case at::kLong:
        return "LongStorage";
    case at::kBool:
        return "BoolStorage";
    default:
        throw std::runtime_error("no storage class for this dtype");
    }
}

} // namespace

void writeTorchFile(const std::filesystem::path& file, const NamedTensors& tensors)
{
    std::map<const void*, std::size_t> keys;
    std::vector<std::string> storages;
    std::vector<std::pair<std::string, std::string>> items;
    for (const auto& [name, tensor] : tensors) {
        const at::Storage& storage = tensor.storage();
        const auto [key, isNew] = keys.try_emplace(storage.data(), storages.size());
        if (isNew) {
            storages.emplace_back(static_cast<const char*>(storage.data()), storage.nbytes());
        }
        const auto count = static_cast<std::int64_t>(storage.nbytes() / tensor.element_size());
        PickledTensorParts parts;
        parts.storage =
            pickleStorage(storageClass(tensor.scalar_type()), std::to_string(key->second), count);
        parts.offset = tensor.storage_offset();
        parts.sizes = tensor.sizes().vec();
        parts.strides = tensor.strides().vec();
        items.emplace_back(name, pickleTensor(parts));
    }
    writeBytes(file, torchArchive(pickleDict(items), storages).bytes());
}

} // namespace longlora::test
