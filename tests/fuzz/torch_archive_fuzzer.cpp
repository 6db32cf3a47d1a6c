// SPDX-License-Identifier: GPL-3.0-or-later
// What torch.save writes, a pickle in a ZIP archive: nothing runs, tensors lie inside the file.
#include "core/engine/checkpoint/pickle/torch_archive.h"
#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <set>
#include <string>

namespace longlora::fuzz {

void readAndUse(std::string_view input)
{
    std::set<std::string> names;
    for (const ArchivedTensor& tensor : readTorchArchive(archiveInMemory(kFile, input))) {
        require(names.insert(tensor.name).second, "a name stands once");
        require(tensor.sizes.size() == tensor.strides.size(), "each size has its stride");
        require(tensor.offset <= input.size() && tensor.extent <= input.size() - tensor.offset,
                "tensors lie inside the file");
        std::uint64_t last = 0;
        bool isEmpty = false;
        for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
            require(tensor.sizes[i] >= 0 && tensor.strides[i] >= 0, "no size is negative");
            isEmpty = isEmpty || tensor.sizes[i] == 0;
            last += isEmpty ? 0
                            : static_cast<std::uint64_t>(tensor.sizes[i] - 1) *
                                  static_cast<std::uint64_t>(tensor.strides[i]);
        }
        const std::uint64_t bytes = infoOf(tensor.dtype).bytes;
        require(isEmpty ? tensor.extent == 0 : (last + 1) * bytes == tensor.extent,
                "the extent is that of shape and strides");
    }
}

} // namespace longlora::fuzz
