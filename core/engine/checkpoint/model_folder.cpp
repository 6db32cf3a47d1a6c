// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/model_folder.h"

#include "core/engine/checkpoint/file_descriptor.h"
#include "core/spec/base/atomic_file.h"

#include <nlohmann/json.hpp>

#include <array>
#include <stdexcept>

namespace longlora {

namespace {

constexpr std::uintmax_t kMaxCopiedBytes = std::uintmax_t{256} << 20;
constexpr std::array<const char*, 2> kTokenizers = {"tokenizer.model", "tokenizer.json"};
constexpr std::array<const char*, 7> kTokenizerSettings = {"tokenizer_config.json",
                                                           "special_tokens_map.json",
                                                           "added_tokens.json",
                                                           "chat_template.jinja",
                                                           "chat_template.json",
                                                           "vocab.json",
                                                           "merges.txt"};

bool copyIfThere(const std::filesystem::path& from, const std::filesystem::path& to,
                 const char* name)
{
    std::error_code ignored;
    if (!std::filesystem::exists(from / name, ignored)) {
        return false;
    }
    writeFileAtomically(to / name, readWholeFile(from / name, kMaxCopiedBytes));
    return true;
}

} // namespace

void copyTokenizerFiles(const std::filesystem::path& from, const std::filesystem::path& to)
{
    for (const char* name : kTokenizers) {
        copyIfThere(from, to, name);
    }
    for (const char* name : kTokenizerSettings) {
        copyIfThere(from, to, name);
    }
}

bool hasTokenizerFiles(const std::filesystem::path& folder)
{
    std::error_code ignored;
    for (const char* name : kTokenizers) {
        if (std::filesystem::exists(folder / name, ignored)) {
            return true;
        }
    }
    return false;
}

void writeGenerationConfig(const std::filesystem::path& from, const ModelConfig& config,
                           const std::filesystem::path& to)
{
    constexpr const char* kName = "generation_config.json";
    if (!from.empty() && copyIfThere(from, to, kName)) {
        return;
    }
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    if (config.bosTokenId) {
        json["bos_token_id"] = *config.bosTokenId;
    }
    if (config.eosTokenIds.size() == 1) {
        json["eos_token_id"] = config.eosTokenIds.front();
    } else if (!config.eosTokenIds.empty()) {
        json["eos_token_id"] = config.eosTokenIds;
    }
    writeFileAtomically(to / kName, json.dump(2) + "\n");
}

std::string configDtypeName(at::ScalarType dtype)
{
    switch (dtype) {
    case at::kFloat:
        return "float32";
    case at::kBFloat16:
        return "bfloat16";
    case at::kHalf:
        return "float16";
    case at::kDouble:
        return "float64";
    default:
        throw std::logic_error("no model is stored in this dtype");
    }
}

double folderBytes(const std::filesystem::path& folder)
{
    double bytes = 0.0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.is_regular_file()) {
            bytes += static_cast<double>(entry.file_size());
        }
    }
    return bytes;
}

void forgetCachedPages(const std::filesystem::path& file)
{
    const FileDescriptor descriptor = FileDescriptor::open(file, O_RDONLY);
    if (descriptor.get() >= 0) {
        ::posix_fadvise(descriptor.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
}

} // namespace longlora
