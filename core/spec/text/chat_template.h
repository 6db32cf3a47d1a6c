// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longlora {

struct ChatMessage {
    std::string role; ///< "system", "user", "assistant"
    std::string content;
};

struct ChatPrompt {
    std::vector<ChatMessage> messages;
    bool addGenerationPrompt = true; ///< ends with the beginning of an answer
    std::optional<std::tm> now;      ///< for templates that write the date
    /// A JSON object of more variables, as {"enable_thinking": false}; "messages" among them goes
    /// instead of `messages` and may hold whatever the template understands.
    std::string variables = "{}";
};

/// How a model wants a conversation written: a Jinja template, interpreted as transformers does
/// (trim_blocks, lstrip_blocks, Python's rules for values), without access to anything and within
/// bounds: 1 MB of source, 1,000,000 steps, 16 MB of text.
class ChatTemplate {
public:
    /// `file` names the source in messages. `tokens`: variables such as bos_token.
    /// Throws: FormatError with line and column.
    ChatTemplate(std::string_view source, std::string file,
                 std::vector<std::pair<std::string, std::string>> tokens = {});
    ~ChatTemplate();
    ChatTemplate(ChatTemplate&& other) noexcept;
    ChatTemplate& operator=(ChatTemplate&& other) noexcept;

    /// The text to encode, without adding BOS: the template writes it if the model wants it.
    /// Throws: DataError if the template refuses the messages; FormatError if it fails.
    std::string render(const ChatPrompt& prompt) const;
    /// The source, as messages name it.
    const std::string& file() const noexcept;

private:
    struct Parts;
    std::unique_ptr<const Parts> m_parts;
};

/// A template as it is written, and the name of where it stands.
struct ChatTemplateSource {
    std::string text;
    std::string file;
};

/// The template of a model folder: `chat_template.jinja`, or "chat_template" in
/// tokenizer_config.json (of a list the one named "default"), or in chat_template.json. Empty if
/// there is none: a base model. Throws: FormatError, DataError.
std::optional<ChatTemplateSource> readChatTemplateSource(const std::filesystem::path& folder);
/// The same, ready to write. Throws: FormatError, DataError.
std::optional<ChatTemplate> readChatTemplate(const std::filesystem::path& folder);

} // namespace longlora
