// SPDX-License-Identifier: GPL-3.0-or-later
// safetensors files: what is accepted covers the data exactly, and reads as it would be written.
#include "core/engine/checkpoint/safetensors_map.h"
#include "core/spec/base/error.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <numeric>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t maximum);

namespace longlora::fuzz {

namespace {

constexpr std::size_t kLengthBytes = 8;

/// Tensors lie inside the file, one after the other, and every byte of them can be read.
std::vector<TensorToStore> checkedTensors(const SafetensorsMap& map, std::uint64_t fileBytes)
{
    std::vector<const std::pair<const std::string, StoredTensor>*> order;
    for (const auto& item : map.header().entries) {
        order.push_back(&item);
    }
    std::stable_sort(order.begin(), order.end(), [](const auto* left, const auto* right) {
        return std::pair(left->second.offset, left->second.bytes) <
               std::pair(right->second.offset, right->second.bytes);
    });
    std::vector<TensorToStore> tensors;
    std::uint64_t end = 0;
    for (const auto* item : order) {
        const auto& [name, tensor] = *item;
        tensors.push_back({name, tensor.dtype, tensor.sizes});
        require(bytesOf(tensors.back()) == tensor.bytes, "a range is shape x dtype");
        require(end == 0 || tensor.offset == end, "tensors leave no hole");
        end = tensor.offset + tensor.bytes;
        require(end <= fileBytes, "tensors lie inside the file");
        try {
            const std::byte* const data = map.dataOf(name);
            static volatile unsigned sum = 0;
            sum = std::accumulate(data, data + tensor.bytes, 0U, [](unsigned all, std::byte byte) {
                return all + std::to_integer<unsigned>(byte);
            });
        } catch (const FormatError&) {
            require(tensor.dtype == StoredDtype::Bool, "only BOOL has values that are none");
        }
    }
    require(end == 0 || end == fileBytes, "every byte belongs to a tensor");
    return tensors;
}

std::uint64_t littleEndian(const std::uint8_t* bytes)
{
    std::uint64_t value = 0;
    std::memcpy(&value, bytes, kLengthBytes);
    return value;
}

/// The largest number before a "]", which should be where the data ends.
std::uint64_t endOfData(std::string_view header)
{
    std::uint64_t largest = 0;
    for (std::size_t i = 0; i < header.size(); ++i) {
        std::uint64_t number = 0;
        const bool isNumber = std::isdigit(static_cast<unsigned char>(header[i])) != 0;
        for (; i < header.size() && std::isdigit(static_cast<unsigned char>(header[i])) != 0; ++i) {
            number =
                std::min<std::uint64_t>(number * 10 + std::uint64_t(header[i] - '0'), 1U << 20);
        }
        if (isNumber && i < header.size() && header[i] == ']') {
            largest = std::max(largest, number);
        }
    }
    return largest;
}

/// Changes the header alone and puts right the length before it and the data behind it.
std::size_t mutateHeader(std::uint8_t* data, std::size_t size, std::size_t maximum, unsigned seed)
{
    const std::size_t old = std::min<std::uint64_t>(littleEndian(data), size - kLengthBytes);
    std::uint8_t* const header = data + kLengthBytes;
    const std::uint64_t bytes = LLVMFuzzerMutate(header, old, maximum - kLengthBytes);
    std::memcpy(data, &bytes, kLengthBytes);
    const std::size_t dataStart = kLengthBytes + bytes;
    const std::uint64_t wanted =
        endOfData({reinterpret_cast<const char*>(header), static_cast<std::size_t>(bytes)});
    const std::size_t dataBytes = std::min<std::uint64_t>(wanted, maximum - dataStart);
    std::memset(data + dataStart, static_cast<int>(seed & 1U), dataBytes);
    return dataStart + dataBytes;
}

} // namespace

void readAndUse(std::string_view input)
{
    static const MemoryFile file;
    file.hold(input);
    const SafetensorsMap map(file.path());
    const std::vector<TensorToStore> tensors = checkedTensors(map, input.size());
    const std::string header = formatSafetensorsHeader(tensors, map.header().metadata);
    std::uint64_t bytes = 0;
    for (const TensorToStore& tensor : tensors) {
        bytes += bytesOf(tensor);
    }
    const SafetensorsHeader again = parseSafetensorsHeader(header, kFile, {0, bytes});
    require(again.metadata == map.header().metadata, "metadata reads as it was written");
    require(again.entries.size() == tensors.size(), "tensors read as they were written");
}

} // namespace longlora::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t maximum, unsigned seed)
{
    // One in eight is any file at all.
    if (size < longlora::fuzz::kLengthBytes || maximum < 64 || seed % 8 == 0) {
        return LLVMFuzzerMutate(data, size, maximum);
    }
    return longlora::fuzz::mutateHeader(data, size, maximum, seed / 8);
}
