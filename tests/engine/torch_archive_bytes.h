// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace longlora::test {

/// `width` bytes, lowest first.
std::string number(std::uint64_t value, std::size_t width);

/// An entry of a ZIP archive, with every field that can lie.
struct ZipPart {
    std::string name;
    std::string bytes;
    std::uint64_t flags = 0;
    std::uint64_t method = 0;
    std::string localExtra = {};
    std::string extra = {}; ///< in the directory
    std::optional<std::string> localName = {};
    std::optional<std::uint64_t> localBytes = {};
    std::optional<std::uint64_t> directoryBytes = {};
    std::optional<std::uint64_t> storedBytes = {};
    std::optional<std::uint64_t> localOffset = {};
};

/// A ZIP archive, right or wrong.
struct ZipBytes {
    std::vector<ZipPart> parts;
    bool hasWideEnd = false;
    std::string afterEntries; ///< between the last entry and the directory
    std::string afterDirectory;
    std::optional<std::uint64_t> entryCount;
    std::optional<std::uint64_t> directoryOffset;
    std::optional<std::uint64_t> directoryLength;
    std::uint64_t disk = 0;
    std::uint64_t wideOffsetShift = 0; ///< added to the locator's offset

    std::string bytes() const;
};

// Parts of a pickle of protocol 2, as Python writes them.
std::string pickleText(const std::string& text);
std::string pickleNumber(std::int64_t value);
std::string pickleTuple(std::initializer_list<std::string> parts);
std::string pickleShape(const std::vector<std::int64_t>& numbers);
std::string pickleGlobal(const std::string& module, const std::string& name);
std::string pickleStorage(const std::string& storageClass, const std::string& key,
                          std::int64_t count);

/// A call of _rebuild_tensor_v2.
struct PickledTensorParts {
    std::string storage = pickleStorage("FloatStorage", "0", 4);
    std::int64_t offset = 0;
    std::vector<std::int64_t> sizes = {2, 2};
    std::vector<std::int64_t> strides = {2, 1};
    std::string hooks = "ccollections\nOrderedDict\n)R";
};
std::string pickleTensor(const PickledTensorParts& parts);

/// A whole pickle: a dict of these names and values.
std::string pickleDict(const std::vector<std::pair<std::string, std::string>>& items);

/// A whole archive with this pickle and these storages, keyed "0", "1", ...
ZipBytes torchArchive(const std::string& pickle, const std::vector<std::string>& storages);

} // namespace longlora::test
