// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/data/token_file.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

namespace longlora {

namespace {

constexpr std::uintmax_t kFileBytes = std::uintmax_t{16} << 30;
constexpr std::int64_t kLargestUint16Vocabulary = 65536;

} // namespace

std::vector<TokenId> readTokenFile(const std::filesystem::path& file, std::int64_t vocabularySize)
{
    const std::string bytes = readWholeFile(file, kFileBytes);
    const std::size_t width = vocabularySize <= kLargestUint16Vocabulary ? 2 : 4;
    if (bytes.empty()) {
        throw DataError(file.string() + " is empty");
    }
    if (bytes.size() % width != 0) {
        throw DataError(fmt::format("{}: its {} bytes are no whole number of uint{} token ids",
                                    file.string(), bytes.size(), width * 8),
                        fmt::format("With a vocabulary of {} tokens a token file holds uint{}.",
                                    vocabularySize, width * 8));
    }
    std::vector<TokenId> ids;
    ids.reserve(bytes.size() / width);
    for (std::size_t i = 0; i < bytes.size(); i += width) {
        std::int64_t id = 0;
        for (std::size_t byte = width; byte-- > 0;) {
            id = id << 8 | static_cast<unsigned char>(bytes[i + byte]);
        }
        if (id >= vocabularySize) {
            throw DataError(
                fmt::format("{}, offset {}: token id {} is outside the vocabulary of {} tokens",
                            file.string(), i, id, vocabularySize),
                "The file was made with another tokenizer, or is no token file.");
        }
        ids.push_back(static_cast<TokenId>(id));
    }
    return ids;
}

} // namespace longlora
