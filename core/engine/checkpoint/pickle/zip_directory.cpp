// SPDX-License-Identifier: GPL-3.0-or-later
// The records of the format, from the end of the file: [entries] directory [64-bit end record,
// 64-bit locator] end record. Source: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5.3.
#include "core/engine/checkpoint/pickle/zip_directory.h"

#include "core/engine/checkpoint/pickle/little_endian.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace longlora {

namespace {

constexpr std::uint64_t kMaxEntries = 100'000;
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{32} << 20;

constexpr std::uint64_t kLocalMark = 0x04034b50;
constexpr std::uint64_t kDirectoryMark = 0x02014b50;
constexpr std::uint64_t kEndMark = 0x06054b50;
constexpr std::uint64_t kWideEndMark = 0x06064b50;
constexpr std::uint64_t kLocatorMark = 0x07064b50;

constexpr std::uint64_t kLocalBytes = 30;
constexpr std::uint64_t kDirectoryEntryBytes = 46;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kWideEndBytes = 56;
constexpr std::uint64_t kLocatorBytes = 20;

/// Values of fields whose true value stands in the 64-bit records.
constexpr std::uint64_t kSeeWide16 = 0xFFFF;
constexpr std::uint64_t kSeeWide32 = 0xFFFFFFFF;

/// Sizes after the data, and names in UTF-8: the only flags that leave the data as it is.
constexpr std::uint64_t kSizesFollow = 1U << 3;
constexpr std::uint64_t kKnownFlags = kSizesFollow | 1U << 11;
constexpr std::uint64_t kEncrypted = 1U;
constexpr std::uint64_t kWideExtra = 1;

constexpr const char* kSaveAgain =
    "Load it with torch.load(..., weights_only=True) and save it again with torch.save.";

/// A run of bytes with the place it has in the file.
struct Record {
    std::string bytes;
    std::uint64_t offset = 0;

    std::uint64_t field(std::size_t at, std::size_t width) const
    {
        return littleEndian(bytes, at, width);
    }
};

/// Where the directory lies.
struct DirectoryPlace {
    std::uint64_t entries = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t end = 0; ///< where the end records begin
};

struct DirectoryEntry {
    ZipEntry entry; ///< its offset is set by the local record
    std::uint64_t flags = 0;
    std::uint64_t method = 0;      ///< of compression; 0: stored
    std::uint64_t storedBytes = 0; ///< what compression would have made of the entry's bytes
    std::uint64_t localOffset = 0;
};

class DirectoryReader {
public:
    explicit DirectoryReader(const ArchiveBytes& source)
        : m_source(source)
    {}

    std::vector<ZipEntry> read()
    {
        const DirectoryPlace place = findDirectory();
        std::vector<DirectoryEntry> entries = readEntries(place);
        for (DirectoryEntry& entry : entries) {
            findData(entry, place.offset);
        }
        requireNoOverlap(entries);
        std::vector<ZipEntry> result;
        result.reserve(entries.size());
        for (DirectoryEntry& entry : entries) {
            result.push_back(std::move(entry.entry));
        }
        return result;
    }

private:
    [[noreturn]] void refuse(std::uint64_t offset, const std::string& what,
                             std::string hint = {}) const
    {
        throw FormatError(m_source.name, fmt::format("offset {}", offset), what, std::move(hint));
    }
    [[noreturn]] void refuse(const DirectoryEntry& entry, const std::string& what,
                             std::string hint = {}) const
    {
        refuse(entry.localOffset, "entry " + printableName(entry.entry.name) + " " + what,
               std::move(hint));
    }

    Record recordAt(std::uint64_t offset, std::uint64_t bytes) const
    {
        return {m_source.read(offset, bytes), offset};
    }

    DirectoryPlace findDirectory() const;
    DirectoryPlace wideDirectory(const Record& end) const;
    std::vector<DirectoryEntry> readEntries(const DirectoryPlace& place) const;
    DirectoryEntry readEntry(const Record& directory, std::size_t& at) const;
    void takeWideFields(DirectoryEntry& entry, std::string_view extra) const;
    void requireStored(const DirectoryEntry& entry) const;
    void findData(DirectoryEntry& entry, std::uint64_t limit) const;
    void requireNoOverlap(const std::vector<DirectoryEntry>& entries) const;

    const ArchiveBytes& m_source;
};

DirectoryPlace DirectoryReader::findDirectory() const
{
    if (m_source.size < kEndBytes) {
        refuse(m_source.size, "the file ends before the end record of an archive");
    }
    const Record end = recordAt(m_source.size - kEndBytes, kEndBytes);
    if (end.field(0, 4) != kEndMark || end.field(20, 2) != 0) {
        refuse(end.offset,
               "the archive's end record is not here: the file is truncated, or "
               "something follows the archive",
               "Copy or download the file again.");
    }
    DirectoryPlace place = wideDirectory(end);
    if (place.entries > kMaxEntries) {
        refuse(end.offset, fmt::format("the archive says it has {} entries, above the limit of {}",
                                       place.entries, kMaxEntries));
    }
    if (place.bytes > kMaxDirectoryBytes) {
        refuse(end.offset, fmt::format("a directory of {} bytes is above the limit of {}",
                                       place.bytes, kMaxDirectoryBytes));
    }
    if (place.offset > place.end || place.end - place.offset != place.bytes) {
        refuse(end.offset, fmt::format("the directory of {} bytes at {} does not end where the end "
                                       "records begin, at {}",
                                       place.bytes, place.offset, place.end));
    }
    return place;
}

/// The end record's fields, or those of the 64-bit one that a locator announces. Both must agree.
DirectoryPlace DirectoryReader::wideDirectory(const Record& end) const
{
    const std::uint64_t entries = end.field(10, 2);
    const std::uint64_t bytes = end.field(12, 4);
    const std::uint64_t offset = end.field(16, 4);
    const bool isOneDisk = end.field(4, 2) == 0 && end.field(6, 2) == 0;
    if (!isOneDisk || end.field(8, 2) != entries) {
        refuse(end.offset, "the archive spans several disks");
    }
    constexpr std::uint64_t kWideBytes = kWideEndBytes + kLocatorBytes;
    const bool hasRoom = end.offset >= kWideBytes;
    const Record locator = hasRoom ? recordAt(end.offset - kLocatorBytes, kLocatorBytes) : Record{};
    if (!hasRoom || locator.field(0, 4) != kLocatorMark) {
        return {entries, offset, bytes, end.offset};
    }
    const Record wide = recordAt(end.offset - kWideBytes, kWideEndBytes);
    if (wide.field(0, 4) != kWideEndMark || wide.field(4, 8) != kWideEndBytes - 12 ||
        locator.field(8, 8) != wide.offset) {
        refuse(locator.offset, "the 64-bit end record is not where its locator says");
    }
    if (locator.field(4, 4) != 0 || locator.field(16, 4) != 1 || wide.field(16, 4) != 0 ||
        wide.field(20, 4) != 0 || wide.field(24, 8) != wide.field(32, 8)) {
        refuse(wide.offset, "the archive spans several disks");
    }
    const DirectoryPlace place{wide.field(32, 8), wide.field(48, 8), wide.field(40, 8),
                               wide.offset};
    if ((entries != kSeeWide16 && entries != place.entries) ||
        (bytes != kSeeWide32 && bytes != place.bytes) ||
        (offset != kSeeWide32 && offset != place.offset)) {
        refuse(end.offset, "the end record contradicts the 64-bit one");
    }
    return place;
}

std::vector<DirectoryEntry> DirectoryReader::readEntries(const DirectoryPlace& place) const
{
    const Record directory = recordAt(place.offset, place.bytes);
    std::vector<DirectoryEntry> entries;
    std::unordered_set<std::string> names;
    std::size_t at = 0;
    for (std::uint64_t i = 0; i < place.entries; ++i) {
        entries.push_back(readEntry(directory, at));
        if (!names.insert(entries.back().entry.name).second) {
            refuse(entries.back(), "stands twice in the directory");
        }
    }
    if (at != directory.bytes.size()) {
        refuse(place.offset + at, fmt::format("{} bytes follow the last of the directory's entries",
                                              directory.bytes.size() - at));
    }
    return entries;
}

DirectoryEntry DirectoryReader::readEntry(const Record& directory, std::size_t& at) const
{
    const std::size_t start = at;
    const std::size_t left = directory.bytes.size() - start;
    if (left < kDirectoryEntryBytes || directory.field(start, 4) != kDirectoryMark) {
        refuse(directory.offset + start, "there is no entry of the directory here");
    }
    const auto field = [&](std::size_t where, std::size_t width) {
        return directory.field(start + where, width);
    };
    const std::size_t nameBytes = field(28, 2);
    const std::size_t extraBytes = field(30, 2);
    const std::size_t wholeBytes =
        kDirectoryEntryBytes + nameBytes + extraBytes + static_cast<std::size_t>(field(32, 2));
    if (left < wholeBytes) {
        refuse(directory.offset + start, "an entry's name or extra fields leave the directory");
    }
    DirectoryEntry entry;
    entry.entry.name = directory.bytes.substr(start + kDirectoryEntryBytes, nameBytes);
    entry.entry.bytes = field(24, 4);
    entry.flags = field(8, 2);
    entry.method = field(10, 2);
    entry.storedBytes = field(20, 4);
    entry.localOffset = field(42, 4);
    takeWideFields(entry, std::string_view(directory.bytes)
                              .substr(start + kDirectoryEntryBytes + nameBytes, extraBytes));
    requireStored(entry);
    if (field(34, 2) != 0) {
        refuse(entry, "is on another disk");
    }
    at = start + wholeBytes;
    return entry;
}

void DirectoryReader::requireStored(const DirectoryEntry& entry) const
{
    if ((entry.flags & kEncrypted) != 0) {
        refuse(entry, "is encrypted");
    }
    if (entry.method != 0) {
        refuse(entry,
               fmt::format("is compressed (method {}); only stored entries are read", entry.method),
               kSaveAgain);
    }
    if ((entry.flags & ~kKnownFlags) != 0) {
        refuse(entry, fmt::format("has unknown flags {:#06x}", entry.flags));
    }
    if (entry.entry.bytes != entry.storedBytes) {
        refuse(entry, fmt::format("is stored in {} bytes, but should have {}", entry.storedBytes,
                                  entry.entry.bytes));
    }
}

/// Sizes and place of an entry beyond 32 bits.
void DirectoryReader::takeWideFields(DirectoryEntry& entry, std::string_view extra) const
{
    bool hasWide = false;
    for (std::size_t at = 0; at < extra.size();) {
        const std::size_t left = extra.size() - at;
        const std::size_t bytes = left < 4 ? 0 : littleEndian(extra, at + 2, 2);
        if (left < 4 + bytes || left < 4) {
            refuse(entry, "has extra fields that do not end where they say");
        }
        const bool isWide = littleEndian(extra, at, 2) == kWideExtra;
        if (isWide && hasWide) {
            refuse(entry, "has two 64-bit fields");
        }
        if (isWide) {
            hasWide = true;
            std::size_t next = at + 4;
            const std::size_t end = next + bytes;
            for (std::uint64_t* value :
                 {&entry.entry.bytes, &entry.storedBytes, &entry.localOffset}) {
                if (*value == kSeeWide32 && end - next >= 8) {
                    *value = littleEndian(extra, next, 8);
                    next += 8;
                }
            }
        }
        at += 4 + bytes;
    }
}

/// Goes to the entry's local record, which must say what the directory says; its data follow.
void DirectoryReader::findData(DirectoryEntry& entry, std::uint64_t limit) const
{
    const std::uint64_t start = entry.localOffset;
    const std::uint64_t nameBytes = entry.entry.name.size();
    if (start > limit || limit - start < kLocalBytes + nameBytes) {
        refuse(entry, "lies outside the archive");
    }
    const Record local = recordAt(start, kLocalBytes + nameBytes);
    if (local.field(0, 4) != kLocalMark) {
        refuse(entry, "has no record where the directory says");
    }
    if (local.field(6, 2) != entry.flags || local.field(8, 2) != 0 ||
        local.field(26, 2) != nameBytes || local.bytes.substr(kLocalBytes) != entry.entry.name) {
        refuse(entry, "is described in another way by its own record");
    }
    for (const std::size_t at : {std::size_t{18}, std::size_t{22}}) {
        const std::uint64_t size = local.field(at, 4);
        const bool isLeftOpen =
            size == kSeeWide32 || (size == 0 && (entry.flags & kSizesFollow) != 0);
        if (!isLeftOpen && size != entry.entry.bytes) {
            refuse(entry, fmt::format("has {} bytes by its own record, {} by the directory", size,
                                      entry.entry.bytes));
        }
    }
    entry.entry.offset = start + kLocalBytes + nameBytes + local.field(28, 2);
    if (entry.entry.offset > limit || limit - entry.entry.offset < entry.entry.bytes) {
        refuse(entry, fmt::format("of {} bytes runs into the directory", entry.entry.bytes));
    }
}

void DirectoryReader::requireNoOverlap(const std::vector<DirectoryEntry>& entries) const
{
    std::vector<const DirectoryEntry*> inOrder;
    for (const DirectoryEntry& entry : entries) {
        inOrder.push_back(&entry);
    }
    std::sort(inOrder.begin(), inOrder.end(), [](const auto* left, const auto* right) {
        return left->localOffset < right->localOffset;
    });
    std::uint64_t end = 0;
    for (const DirectoryEntry* entry : inOrder) {
        if (entry->localOffset < end) {
            refuse(*entry, "overlaps the one before it");
        }
        end = entry->entry.offset + entry->entry.bytes;
    }
    if (!inOrder.empty() && inOrder.front()->localOffset != 0) {
        refuse(0, "something precedes the archive");
    }
}

} // namespace

std::string printableName(std::string_view name)
{
    constexpr std::size_t kLongest = 160;
    std::string text(name.substr(0, kLongest));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return name.size() > kLongest ? text + "..." : text;
}

std::vector<ZipEntry> readZipDirectory(const ArchiveBytes& source)
{
    return DirectoryReader(source).read();
}

} // namespace longlora
