// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/model_options.h"

#include "app/commands/console.h"
#include "app/commands/options.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/config/huggingface_cache.h"
#include "core/spec/config/run_config_enums.h"
#include "core/spec/text/utf8.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace longlora::app {

namespace {

constexpr std::uintmax_t kTextBytes = std::uintmax_t{1} << 30;
constexpr std::size_t kIdsBytes = std::size_t{256} << 20;

} // namespace

void addKvOption(CLI::App& command, std::string& kv)
{
    addChoice(command, {"--kv", "TYPE", "how keys and values are kept, auto as the model computes"},
              kEnumNames<KvFormat>, kv);
}

KvFormat kvFormat(const std::string& kv)
{
    return enumFromName<KvFormat>(kv).value_or(KvFormat::Model);
}

void addModelOptions(CLI::App& command, ModelOptions& options)
{
    addText(command, {"--model", "DIR", "Hugging Face folder, or a name in the local cache"},
            options.model)
        ->required();
    addText(command, {"--adapter", "DIR", "PEFT adapter to put onto it"}, options.adapter);
    addChoice(command, {"--dtype", "TYPE", "type of number to compute with"},
              kEnumNames<ComputePrecision>, options.dtype);
    addChoice(command, {"--device", "DEVICE", "where to compute"}, kEnumNames<DeviceKind>,
              options.device);
}

LoadedModel loadModel(const ModelOptions& options, const ProgressCallback& progress)
{
    LoadOptions load;
    load.model = resolveModelFolder(options.model);
    load.adapter = options.adapter;
    load.device = enumFromName<DeviceKind>(options.device).value_or(DeviceKind::Auto);
    load.precision = enumFromName<ComputePrecision>(options.dtype).value_or(ComputePrecision::Auto);
    return LoadedModel(load, progress);
}

PromptFormat readChatFormat(const std::string& model, Console& console)
{
    PromptFormat format = PromptFormat::read(resolveModelFolder(model));
    if (format.isPlain()) {
        console.note(model + " has no chat template: it is a base model, which goes on from the "
                             "text and does not answer instructions.");
    }
    return format;
}

std::string readTextFile(const std::filesystem::path& file)
{
    std::string text = readWholeFile(file, kTextBytes);
    if (text.empty()) {
        throw DataError(file.string() + " is empty");
    }
    if (const auto offset = firstInvalidUtf8(text)) {
        throw DataError(fmt::format("{}, offset {}: the text is not UTF-8", file.string(), *offset),
                        "Convert it, for example with iconv.");
    }
    return text;
}

std::vector<TokenId> readIds(const std::filesystem::path& file, std::int64_t vocabularySize)
{
    const std::string text = readWholeFile(file, kIdsBytes);
    requireSoundJson(text, file.string(), {.bytes = kIdsBytes, .depth = 2});
    const auto json = nlohmann::json::parse(text);
    if (!json.is_array() || json.empty()) {
        throw FormatError(file.string(), {}, "is not a JSON array of token ids");
    }
    std::vector<TokenId> ids;
    for (const auto& item : json) {
        const std::string where = fmt::format("item {}", ids.size());
        if (!item.is_number_integer()) {
            throw FormatError(file.string(), where, "is not a whole number");
        }
        const auto id = item.get<std::int64_t>();
        if (id < 0 || id >= vocabularySize) {
            throw DataError(fmt::format("{}, {}: token id {} is outside the vocabulary of {}",
                                        file.string(), where, id, vocabularySize));
        }
        ids.push_back(static_cast<TokenId>(id));
    }
    return ids;
}

} // namespace longlora::app
