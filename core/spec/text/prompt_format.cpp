// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/prompt_format.h"

#include "core/spec/base/error.h"

#include <array>
#include <ctime>
#include <utility>

namespace longlora {

namespace {

constexpr std::string_view kBlankLine = "\n\n";
constexpr const char* kProbeQuestion = "(a question)";
constexpr const char* kProbeAnswer = "(the answer)";

std::tm localTime()
{
    const std::time_t now = std::time(nullptr);
    std::tm time = {};
    localtime_r(&now, &time);
    return time;
}

std::string joined(const std::vector<std::string>& documents)
{
    std::string text;
    for (const std::string& document : documents) {
        text.append(document).append(kBlankLine);
    }
    return text;
}

std::vector<ChatMessage> messagesOf(const Conversation& conversation)
{
    std::vector<ChatMessage> messages;
    if (!conversation.system.empty()) {
        messages.push_back({"system", conversation.system});
    }
    std::string before = joined(conversation.documents);
    for (const ConversationTurn& turn : conversation.turns) {
        messages.push_back({"user", std::exchange(before, {}) + turn.question});
        messages.push_back({"assistant", turn.answer});
    }
    messages.push_back({"user", before + conversation.question});
    return messages;
}

std::string plainText(const Conversation& conversation)
{
    std::string text = conversation.system;
    if (!text.empty()) {
        text += kBlankLine;
    }
    text += joined(conversation.documents);
    for (const ConversationTurn& turn : conversation.turns) {
        text.append(turn.question).append(turn.answer).append(kBlankLine);
    }
    return text + conversation.question;
}

/// Published forms by a mark that only they write.
std::string styleOf(const std::string& written)
{
    constexpr std::array<std::pair<std::string_view, const char*>, 5> kMarks = {{
        {"<|start_header_id|>", "Llama 3"},
        {"<|im_start|>", "ChatML"},
        {"<start_of_turn>", "Gemma"},
        {"[INST]", "Llama 2 or Mistral"},
        {"<|user|>", "Zephyr"},
    }};
    for (const auto& [mark, style] : kMarks) {
        if (written.find(mark) != std::string::npos) {
            return style;
        }
    }
    return "its own";
}

/// What `chat` writes after an answer, from the first character on that is no white space; nothing
/// of a template that takes no conversation which ends with one.
std::string afterAnswer(const ChatTemplate& chat)
{
    ChatPrompt prompt;
    prompt.messages = {{"user", kProbeQuestion}, {"assistant", kProbeAnswer}};
    prompt.addGenerationPrompt = false;
    prompt.now = localTime();
    std::string text;
    try {
        text = chat.render(prompt);
    } catch (const Error&) {
        return {};
    }
    const std::size_t answer = text.rfind(kProbeAnswer);
    if (answer == std::string::npos) {
        return {};
    }
    const std::size_t end =
        text.find_first_not_of(" \t\r\n", answer + std::string_view(kProbeAnswer).size());
    return end == std::string::npos ? std::string() : text.substr(end);
}

} // namespace

PromptFormat PromptFormat::read(const std::filesystem::path& folder)
{
    PromptFormat format;
    format.m_template = readChatTemplate(folder);
    if (format.m_template) {
        Conversation probe;
        probe.question = kProbeQuestion;
        format.m_style = styleOf(format.write(probe));
        format.m_turnEnd = afterAnswer(*format.m_template);
    }
    return format;
}

PromptFormat PromptFormat::readOrPlain(const std::filesystem::path& folder)
{
    try {
        return read(folder);
    } catch (const Error& error) {
        PromptFormat plain;
        plain.m_problem = error.describe();
        return plain;
    }
}

std::string PromptFormat::source() const
{
    return m_template ? m_template->file() : std::string();
}

std::string PromptFormat::write(const Conversation& conversation) const
{
    if (!m_template) {
        return plainText(conversation);
    }
    ChatPrompt prompt;
    prompt.messages = messagesOf(conversation);
    prompt.now = localTime();
    return m_template->render(prompt);
}

std::vector<TokenId> PromptFormat::encode(const std::string& written,
                                          const Tokenizer& tokenizer) const
{
    std::vector<TokenId> ids = tokenizer.encode(written, isPlain());
    // Someone may have typed it in front of a plain text.
    if (isPlain() && ids.size() > 1 && ids[0] == tokenizer.bosId() && ids[1] == ids[0]) {
        ids.erase(ids.begin());
    }
    return ids;
}

TurnEnd PromptFormat::turnEnd(const Tokenizer& tokenizer) const
{
    if (m_turnEnd.empty()) {
        return {};
    }
    const std::size_t bracket = m_turnEnd.front() == '<' ? m_turnEnd.find('>') : std::string::npos;
    const std::string mark =
        bracket == std::string::npos ? std::string() : m_turnEnd.substr(0, bracket + 1);
    const std::vector<TokenId> ids = tokenizer.encode(m_turnEnd, false);
    if (!ids.empty()) {
        const std::string text = tokenizer.decode({ids.data(), 1}, true);
        const bool isSpecial = !text.empty() && tokenizer.decode({ids.data(), 1}, false).empty();
        if (isSpecial || (!mark.empty() && text == mark)) {
            return {ids.front(), {}};
        }
    }
    return {std::nullopt, mark};
}

} // namespace longlora
