// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// A tensor as a pickle describes it; nothing is checked against the archive. Views of the pickle.
struct PickledTensor {
    std::string_view name;
    std::string_view storageClass; ///< "FloatStorage"
    std::string_view storageKey;   ///< of the archive's entry data/KEY
    std::int64_t storageCount = 0; ///< numbers in the storage
    std::int64_t storageOffset = 0;
    std::vector<std::int64_t> sizes;
    std::vector<std::int64_t> strides;
    std::uint64_t where = 0; ///< offset in the file, for messages
};

/// The text of a pickle and where it stands.
struct PickleText {
    std::string file;         ///< in messages
    std::uint64_t offset = 0; ///< of the first byte, in that file
    std::string_view bytes;
};

/// What torch.save makes of a dict of tensors by name, in order. Nothing is executed: a fixed list
/// of opcodes builds numbers, texts, tuples, lists and dicts; the only globals are
/// collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter and
/// torch.*Storage of real numbers, and what they are called with is only looked at. Bounds: 32 MiB
/// of pickle, texts 64 KiB, stack and memo 1 M, values 4 M, depth 64, rank 8.
/// Throws: FormatError with the offset for everything else, naming the opcode or the global.
std::vector<PickledTensor> readPickledTensors(const PickleText& pickle);

} // namespace longlora
