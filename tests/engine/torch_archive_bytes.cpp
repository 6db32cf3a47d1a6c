// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/torch_archive_bytes.h"

#include <limits>

namespace longlora::test {

std::string number(std::uint64_t value, std::size_t width)
{
    std::string bytes;
    for (std::size_t i = 0; i < width; ++i) {
        bytes += static_cast<char>(value >> (8 * i) & 0xFF);
    }
    return bytes;
}

namespace {

std::string localRecord(const ZipPart& part)
{
    const std::string name = part.localName.value_or(part.name);
    const std::uint64_t bytes = part.localBytes.value_or(part.bytes.size());
    return "PK\x03\x04" + number(20, 2) + number(part.flags, 2) + number(part.method, 2) +
           number(0, 8) + number(bytes, 4) + number(bytes, 4) + number(name.size(), 2) +
           number(part.localExtra.size(), 2) + name + part.localExtra;
}

std::string directoryRecord(const ZipPart& part, std::uint64_t localOffset)
{
    const std::uint64_t bytes = part.directoryBytes.value_or(part.bytes.size());
    return "PK\x01\x02" + number(20, 2) + number(20, 2) + number(part.flags, 2) +
           number(part.method, 2) + number(0, 8) + number(part.storedBytes.value_or(bytes), 4) +
           number(bytes, 4) + number(part.name.size(), 2) + number(part.extra.size(), 2) +
           number(0, 8) + number(0, 2) + number(part.localOffset.value_or(localOffset), 4) +
           part.name + part.extra;
}

} // namespace

std::string ZipBytes::bytes() const
{
    std::string file;
    std::string directory;
    for (const ZipPart& part : parts) {
        directory += directoryRecord(part, file.size());
        file += localRecord(part) + part.bytes;
    }
    file += afterEntries;
    const std::uint64_t offset = directoryOffset.value_or(file.size());
    const std::uint64_t length = directoryLength.value_or(directory.size());
    const std::uint64_t count = entryCount.value_or(parts.size());
    file += directory + afterDirectory;
    if (hasWideEnd) {
        const std::uint64_t wideOffset = file.size() + wideOffsetShift;
        file += "PK\x06\x06" + number(44, 8) + number(45, 2) + number(45, 2) + number(disk, 4) +
                number(0, 4) + number(count, 8) + number(count, 8) + number(length, 8) +
                number(offset, 8);
        file += "PK\x06\x07" + number(0, 4) + number(wideOffset, 8) + number(1, 4);
        return file + "PK\x05\x06" + number(0, 4) + number(0xFFFF, 2) + number(0xFFFF, 2) +
               number(0xFFFFFFFF, 4) + number(0xFFFFFFFF, 4) + number(0, 2);
    }
    return file + "PK\x05\x06" + number(disk, 2) + number(disk, 2) + number(count, 2) +
           number(count, 2) + number(length, 4) + number(offset, 4) + number(0, 2);
}

std::string pickleText(const std::string& text)
{
    return "X" + number(text.size(), 4) + text;
}

std::string pickleNumber(std::int64_t value)
{
    if (value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()) {
        return "J" + number(static_cast<std::uint64_t>(value), 4);
    }
    return "\x8a\x08" + number(static_cast<std::uint64_t>(value), 8);
}

std::string pickleTuple(std::initializer_list<std::string> parts)
{
    std::string bytes = "(";
    for (const std::string& part : parts) {
        bytes += part;
    }
    return bytes + "t";
}

std::string pickleShape(const std::vector<std::int64_t>& numbers)
{
    std::string bytes = "(";
    for (const std::int64_t value : numbers) {
        bytes += pickleNumber(value);
    }
    return bytes + "t";
}

std::string pickleGlobal(const std::string& module, const std::string& name)
{
    return "c" + module + "\n" + name + "\n";
}

std::string pickleStorage(const std::string& storageClass, const std::string& key,
                          std::int64_t count)
{
    return pickleTuple({pickleText("storage"), pickleGlobal("torch", storageClass), pickleText(key),
                        pickleText("cpu"), pickleNumber(count)}) +
           "Q";
}

std::string pickleTensor(const PickledTensorParts& parts)
{
    return pickleGlobal("torch._utils", "_rebuild_tensor_v2") +
           pickleTuple({parts.storage, pickleNumber(parts.offset), pickleShape(parts.sizes),
                        pickleShape(parts.strides), "\x89", parts.hooks}) +
           "R";
}

std::string pickleDict(const std::vector<std::pair<std::string, std::string>>& items)
{
    std::string bytes = "\x80\x02}(";
    for (const auto& [name, value] : items) {
        bytes += pickleText(name) + value;
    }
    return bytes + "u.";
}

ZipBytes torchArchive(const std::string& pickle, const std::vector<std::string>& storages)
{
    ZipBytes archive;
    archive.hasWideEnd = true;
    archive.parts.push_back({"archive/data.pkl", pickle});
    archive.parts.push_back({"archive/byteorder", "little"});
    for (std::size_t i = 0; i < storages.size(); ++i) {
        archive.parts.push_back({"archive/data/" + std::to_string(i), storages[i]});
    }
    archive.parts.push_back({"archive/version", "3\n"});
    return archive;
}

} // namespace longlora::test
