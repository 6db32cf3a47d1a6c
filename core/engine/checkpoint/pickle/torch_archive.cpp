// SPDX-License-Identifier: GPL-3.0-or-later
// Source: PyTorch, torch/serialization.py and caffe2/serialize/inline_container.cc.
#include "core/engine/checkpoint/pickle/torch_archive.h"

#include "core/engine/checkpoint/pickle/little_endian.h"
#include "core/engine/checkpoint/pickle/pickled_tensors.h"
#include "core/engine/checkpoint/pickle/zip_directory.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace longlora {

namespace {

constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{32} << 20;
constexpr std::string_view kPickleName = "/data.pkl";

constexpr const char* kSaveAgain =
    "Load it with torch.load(..., weights_only=True) in PyTorch 1.6 or later and save it again "
    "with torch.save, or as safetensors.";

/// Storage classes of torch by our names. The pickle machine lets no other pass.
constexpr std::array<std::pair<std::string_view, StoredDtype>, 10> kStorages = {{
    {"DoubleStorage", StoredDtype::F64},
    {"FloatStorage", StoredDtype::F32},
    {"HalfStorage", StoredDtype::F16},
    {"BFloat16Storage", StoredDtype::BF16},
    {"LongStorage", StoredDtype::I64},
    {"IntStorage", StoredDtype::I32},
    {"ShortStorage", StoredDtype::I16},
    {"CharStorage", StoredDtype::I8},
    {"ByteStorage", StoredDtype::U8},
    {"BoolStorage", StoredDtype::Bool},
}};

StoredDtype dtypeOf(std::string_view storageClass)
{
    const auto* const found =
        std::find_if(kStorages.begin(), kStorages.end(),
                     [&](const auto& storage) { return storage.first == storageClass; });
    return found->second;
}

/// Files that bear the name of an archive and are something else.
void requireArchive(const ArchiveBytes& source)
{
    const auto refuse = [&](const char* what, const char* hint) {
        throw FormatError(source.name, "offset 0", what, hint);
    };
    constexpr std::uint64_t kTarMark = 257;
    const std::string head = source.read(0, std::min<std::uint64_t>(source.size, 512));
    if (head.starts_with("PK\x03\x04")) {
        return;
    }
    if (head.starts_with("version https://git-lfs")) {
        refuse("is a pointer of Git LFS, not the file itself", "Fetch the file with git lfs pull.");
    }
    if (head.size() > kTarMark + 5 && std::string_view(head).substr(kTarMark, 5) == "ustar") {
        refuse("is a tar archive, PyTorch's format before 0.1.10; it is not read", kSaveAgain);
    }
    if (head.starts_with('\x80')) {
        refuse("is a bare pickle, PyTorch's format before 1.6; it is not read", kSaveAgain);
    }
    refuse("is no archive of PyTorch", "Copy or download the file again.");
}

/// The entries of an archive by what torch uses them for.
class TorchArchive {
public:
    explicit TorchArchive(const ArchiveBytes& source)
        : m_source(source)
    {
        requireArchive(source);
        for (ZipEntry& entry : readZipDirectory(source)) {
            std::string name = entry.name;
            m_entries.emplace(std::move(name), std::move(entry));
        }
        findRoot();
        requireByteOrder();
    }

    std::vector<ArchivedTensor> tensors() const
    {
        const ZipEntry& pickle = m_entries.at(m_root + std::string(kPickleName));
        if (pickle.bytes > kMaxPickleBytes) {
            refuse(pickle.offset, fmt::format("data.pkl has {} bytes, above the limit of {}",
                                              pickle.bytes, kMaxPickleBytes));
        }
        const std::string text = m_source.read(pickle.offset, pickle.bytes);
        std::vector<ArchivedTensor> result;
        for (const PickledTensor& tensor :
             readPickledTensors({m_source.name, pickle.offset, text})) {
            result.push_back(located(tensor));
        }
        return result;
    }

private:
    [[noreturn]] void refuse(std::uint64_t offset, const std::string& what,
                             std::string hint = {}) const
    {
        throw FormatError(m_source.name, fmt::format("offset {}", offset), what, std::move(hint));
    }
    [[noreturn]] void refuse(const PickledTensor& tensor, const std::string& what) const
    {
        refuse(tensor.where, "tensor " + printableName(tensor.name) + ": " + what);
    }

    void findRoot();
    void requireByteOrder() const;
    const ZipEntry& storageOf(const PickledTensor& tensor, std::uint64_t numberBytes) const;
    ArchivedTensor located(const PickledTensor& tensor) const;
    std::uint64_t extentOf(const PickledTensor& tensor) const;

    const ArchiveBytes& m_source;
    std::unordered_map<std::string, ZipEntry> m_entries;
    std::string m_root; ///< the folder that everything is in
};

/// The one NAME/data.pkl. TorchScript has code beside it.
void TorchArchive::findRoot()
{
    bool isFound = false;
    for (const auto& [name, entry] : m_entries) {
        const std::string root = name.substr(0, name.find('/'));
        if (name == root + std::string(kPickleName)) {
            if (isFound) {
                refuse(entry.offset, "the archive holds more than one data.pkl");
            }
            isFound = true;
            m_root = root;
        }
    }
    if (!isFound) {
        refuse(0, "the archive holds no data.pkl: it is not PyTorch's", kSaveAgain);
    }
    for (const auto& [name, entry] : m_entries) {
        if (name == m_root + "/constants.pkl" || name.starts_with(m_root + "/code/")) {
            refuse(entry.offset, "is a TorchScript program, which is not read",
                   "Load it with torch.jit.load and save its state_dict() with torch.save.");
        }
    }
}

/// Absent in files of PyTorch before 2.1, which were little-endian everywhere that matters.
void TorchArchive::requireByteOrder() const
{
    constexpr std::string_view kLittle = "little";
    const auto found = m_entries.find(m_root + "/byteorder");
    if (found == m_entries.end()) {
        return;
    }
    const ZipEntry& entry = found->second;
    if (entry.bytes != kLittle.size() || m_source.read(entry.offset, entry.bytes) != kLittle) {
        refuse(entry.offset, "numbers are stored in another byte order than little", kSaveAgain);
    }
}

const ZipEntry& TorchArchive::storageOf(const PickledTensor& tensor,
                                        std::uint64_t numberBytes) const
{
    const auto found = m_entries.find(m_root + "/data/" + std::string(tensor.storageKey));
    if (found == m_entries.end()) {
        refuse(tensor,
               "its storage " + printableName(tensor.storageKey) + " is not in the archive");
    }
    const ZipEntry& entry = found->second;
    if (tensor.storageCount < 0 || entry.bytes % numberBytes != 0 ||
        entry.bytes / numberBytes != static_cast<std::uint64_t>(tensor.storageCount)) {
        refuse(tensor,
               fmt::format("its storage should hold {} numbers of {} bytes, but has {} bytes",
                           tensor.storageCount, numberBytes, entry.bytes));
    }
    return entry;
}

/// Elements from the first to behind the last; 0 if there are none.
std::uint64_t TorchArchive::extentOf(const PickledTensor& tensor) const
{
    std::uint64_t count = 1;
    std::uint64_t last = 0;
    bool overflows = false;
    bool isEmpty = false;
    for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
        if (tensor.sizes[i] < 0 || tensor.strides[i] < 0) {
            refuse(tensor, fmt::format("size {} or stride {} is negative", tensor.sizes[i],
                                       tensor.strides[i]));
        }
        const auto size = static_cast<std::uint64_t>(tensor.sizes[i]);
        isEmpty = isEmpty || size == 0;
        std::uint64_t step = 0;
        overflows |= __builtin_mul_overflow(count, std::max<std::uint64_t>(size, 1), &count);
        overflows |= __builtin_mul_overflow(std::max<std::uint64_t>(size, 1) - 1,
                                            static_cast<std::uint64_t>(tensor.strides[i]), &step);
        overflows |= __builtin_add_overflow(last, step, &last);
    }
    const auto held = static_cast<std::uint64_t>(tensor.storageCount);
    const auto first = static_cast<std::uint64_t>(tensor.storageOffset);
    const bool isInside = tensor.storageOffset >= 0 && first <= held &&
                          (isEmpty || (last < held && first < held - last));
    constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 60; // also of what zeros make empty
    if (overflows || count > kMaxCount || !isInside) {
        refuse(tensor, fmt::format("its elements leave the {} numbers of its storage",
                                   tensor.storageCount));
    }
    if (!isEmpty && count > held) {
        refuse(tensor, fmt::format("it has {} elements in a storage of {}: repeated elements are "
                                   "not read",
                                   count, held));
    }
    return isEmpty ? 0 : last + 1;
}

ArchivedTensor TorchArchive::located(const PickledTensor& tensor) const
{
    ArchivedTensor result;
    result.name = std::string(tensor.name);
    result.dtype = dtypeOf(tensor.storageClass);
    result.sizes = tensor.sizes;
    result.strides = tensor.strides;
    const std::uint64_t numberBytes = infoOf(result.dtype).bytes;
    const ZipEntry& storage = storageOf(tensor, numberBytes);
    result.extent = extentOf(tensor) * numberBytes;
    result.offset = storage.offset + static_cast<std::uint64_t>(tensor.storageOffset) * numberBytes;
    return result;
}

} // namespace

std::vector<ArchivedTensor> readTorchArchive(const ArchiveBytes& source)
{
    return TorchArchive(source).tensors();
}

} // namespace longlora
