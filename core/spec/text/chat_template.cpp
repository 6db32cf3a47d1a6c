// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/chat_template.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/json_object.h"
#include "core/spec/text/template/interpreter.h"
#include "core/spec/text/template/text_form.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

namespace longlora {

namespace {

using jinja::Dict;
using jinja::List;
using jinja::Value;

constexpr JsonLimits kConfigLimits = {std::size_t{16} << 20, 16};

std::string placeOf(const jinja::Position& position)
{
    return fmt::format("line {}, column {}", position.line, position.column);
}

/// Texts from outside may be anything; templates only work on UTF-8.
std::string repaired(const std::string& text)
{
    std::string result;
    appendWithReplacements(result, text);
    return result;
}

Value valueOf(const std::vector<ChatMessage>& messages)
{
    List list;
    for (const ChatMessage& message : messages) {
        Dict dict;
        dict.set("role", Value(repaired(message.role)));
        dict.set("content", Value(repaired(message.content)));
        list.items.emplace_back(std::move(dict));
    }
    return Value(std::move(list));
}

JsonObject readConfig(const std::filesystem::path& file)
{
    const bool exists = entryExists(file);
    return JsonObject::parse(exists ? readWholeFile(file, kConfigLimits.bytes) : "{}",
                             file.string(), kConfigLimits);
}

/// The texts of bos_token and its kin, which are strings or objects.
std::vector<std::pair<std::string, std::string>> tokensOf(const JsonObject& config)
{
    std::vector<std::pair<std::string, std::string>> tokens;
    for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                             "cls_token", "mask_token"}) {
        if (config.has(name)) {
            tokens.emplace_back(name, config.isObject(name) ? config.object(name).text("content")
                                                            : config.text(name));
        }
    }
    return tokens;
}

/// "chat_template": a text, or a list of {name, template}.
std::optional<std::string> templateOf(const JsonObject& config)
{
    if (!config.isArray("chat_template")) {
        return config.has("chat_template") ? std::optional(config.text("chat_template"))
                                           : std::nullopt;
    }
    for (const JsonObject& entry : config.objects("chat_template")) {
        if (entry.text("name") == "default") {
            return entry.text("template");
        }
    }
    config.refuse("chat_template", "none of the templates is named \"default\"");
}

} // namespace

struct ChatTemplate::Parts {
    std::string file;
    std::vector<std::pair<std::string, std::string>> tokens;
    std::vector<jinja::Statement> statements;
};

ChatTemplate::ChatTemplate(std::string_view source, std::string file,
                           std::vector<std::pair<std::string, std::string>> tokens)
{
    auto parts = std::make_unique<Parts>();
    try {
        parts->statements = jinja::parseTemplate(source);
    } catch (const jinja::SyntaxFailure& failure) {
        throw FormatError(file, placeOf(failure.position()), failure.what());
    }
    parts->file = std::move(file);
    parts->tokens = std::move(tokens);
    m_parts = std::move(parts);
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&& other) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&& other) noexcept = default;

const std::string& ChatTemplate::file() const noexcept
{
    return m_parts->file;
}

std::string ChatTemplate::render(const ChatPrompt& prompt) const
{
    jinja::Interpreter interpreter(prompt.now);
    try {
        Dict variables;
        variables.set("messages", valueOf(prompt.messages));
        variables.set("tools", Value());
        variables.set("documents", Value());
        variables.set("add_generation_prompt", Value(prompt.addGenerationPrompt));
        for (const auto& [name, text] : m_parts->tokens) {
            variables.set(name, Value(text));
        }
        for (const auto& [name, value] :
             jinja::dictOfJson(prompt.variables, "the variables of the chat template").entries) {
            variables.set(name, value);
        }
        return interpreter.run(m_parts->statements, variables);
    } catch (const jinja::Raised& raised) {
        throw DataError(m_parts->file +
                        ": the chat template refuses the conversation: " + raised.what());
    } catch (const jinja::Failure& failure) {
        throw FormatError(m_parts->file, placeOf(interpreter.position()), failure.what());
    }
}

std::optional<ChatTemplateSource> readChatTemplateSource(const std::filesystem::path& folder)
{
    constexpr std::uintmax_t kSourceBytes = std::uintmax_t{1} << 20;
    const std::filesystem::path jinjaFile = folder / "chat_template.jinja";
    if (entryExists(jinjaFile)) {
        return ChatTemplateSource{readWholeFile(jinjaFile, kSourceBytes), jinjaFile.string()};
    }
    for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
        const std::filesystem::path file = folder / name;
        if (const std::optional<std::string> source = templateOf(readConfig(file))) {
            return ChatTemplateSource{*source, file.string() + " (chat_template)"};
        }
    }
    return std::nullopt;
}

std::optional<ChatTemplate> readChatTemplate(const std::filesystem::path& folder)
{
    const JsonObject config = readConfig(folder / "tokenizer_config.json");
    const std::optional<ChatTemplateSource> source = readChatTemplateSource(folder);
    return source ? std::optional(ChatTemplate(source->text, source->file, tokensOf(config)))
                  : std::nullopt;
}

} // namespace longlora
