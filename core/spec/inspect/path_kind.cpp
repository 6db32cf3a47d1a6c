// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/inspect/path_kind.h"

#include "core/spec/run/run_directory.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>

namespace longlora {

namespace fs = std::filesystem;

namespace {

/// Of torch.save before 1.6: protocol 2 and the magic number 0x1950a86a20f9469cfc6c.
constexpr std::string_view kOldPickle = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr std::string_view kZip = "PK\x03\x04";
constexpr std::string_view kGguf = "GGUF";

bool holdsAny(const fs::path& folder, std::initializer_list<const char*> names)
{
    return std::any_of(names.begin(), names.end(), [&folder](const char* name) {
        std::error_code ignored;
        return fs::exists(folder / name, ignored);
    });
}

PathKind kindOfFolder(const fs::path& folder)
{
    if (RunDirectory::holdsRun(folder)) {
        return PathKind::Run;
    }
    if (holdsAny(folder, {"adapter_config.json", "trainable_params.bin"})) {
        return PathKind::Adapter;
    }
    if (holdsAny(folder, {"config.json", "model.safetensors", "model.safetensors.index.json",
                          "pytorch_model.bin", "pytorch_model.bin.index.json"})) {
        return PathKind::Model;
    }
    return holdsAny(folder, {"tokenizer.model", "tokenizer.json"}) ? PathKind::Tokenizer
                                                                   : PathKind::Unknown;
}

std::string firstBytes(const fs::path& file)
{
    std::array<char, 16> bytes = {};
    std::ifstream stream(file, std::ios::binary);
    stream.read(bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(stream.gcount())};
}

PathKind kindOfFile(const fs::path& file)
{
    const std::string bytes = firstBytes(file);
    const std::string ending = file.extension().string();
    if (bytes.starts_with(kGguf)) {
        return PathKind::Gguf;
    }
    const bool mayBePytorch = ending == ".bin" || ending == ".pt" || ending == ".pth";
    if (mayBePytorch && (bytes.starts_with(kZip) || bytes.starts_with(kOldPickle))) {
        return PathKind::PytorchBin;
    }
    if (file.filename() == "tokenizer.model" || file.filename() == "tokenizer.json") {
        return PathKind::Tokenizer;
    }
    return ending == ".safetensors"              ? PathKind::Safetensors
           : ending == ".gguf"                   ? PathKind::Gguf
           : ending == ".pt" || ending == ".pth" ? PathKind::PytorchBin
           : ending == ".bin"                    ? PathKind::TokenFile
           : ending == ".jsonl"                  ? PathKind::Jsonl
           : ending == ".txt" || ending == ".md" ? PathKind::Text
                                                 : PathKind::Unknown;
}

} // namespace

PathKind pathKindOf(const fs::path& path)
{
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
        return kindOfFolder(path);
    }
    return fs::is_regular_file(path, ignored) ? kindOfFile(path) : PathKind::Missing;
}

} // namespace longlora
