// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/pickle/archive_bytes.h"
#include "core/engine/checkpoint/stored_dtype.h"

#include <cstdint>
#include <string>
#include <vector>

namespace longlora {

/// A tensor in a PyTorch archive, checked: its elements lie inside the file, and it has at most as
/// many as its storage.
struct ArchivedTensor {
    std::string name;
    StoredDtype dtype = StoredDtype::F32;
    std::vector<std::int64_t> sizes;
    std::vector<std::int64_t> strides; ///< elements; never negative
    std::uint64_t offset = 0;          ///< of the first element, bytes from the start of the file
    std::uint64_t extent = 0; ///< bytes from the first element to behind the last; 0: empty
};

/// Reads what torch.save (PyTorch 1.6 and later) made of a dict of tensors: a ZIP archive of stored
/// entries, NAME/data.pkl and NAME/data/KEY. Tensors may share a storage. Nothing is executed
/// (pickled_tensors.h); nothing but records and pickle is read.
/// Throws: FormatError with the offset: also for archives of TorchScript, the older formats without
/// ZIP, other byte orders and numbers we do not read; the message says what to do.
std::vector<ArchivedTensor> readTorchArchive(const ArchiveBytes& source);

} // namespace longlora
