// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/prompt_count.h"

#include "core/spec/base/units.h"

namespace longlora::ui {

namespace {

/// A text field takes more than this only slowly.
constexpr std::size_t kPreviewBytes = 40'000;

bool continuesCharacter(char byte)
{
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

std::string shortened(const std::string& text)
{
    if (text.size() <= kPreviewBytes) {
        return text;
    }
    std::size_t begin = kPreviewBytes / 2;
    std::size_t end = text.size() - kPreviewBytes / 2;
    while (continuesCharacter(text[begin])) {
        --begin;
    }
    while (continuesCharacter(text[end])) {
        ++end;
    }
    return text.substr(0, begin) + "\n[... " + formatCount(static_cast<std::int64_t>(end - begin)) +
           " bytes not shown ...]\n" + text.substr(end);
}

} // namespace

std::shared_ptr<const PromptReader> readPromptReader(const std::filesystem::path& folder)
{
    auto reader = std::make_shared<PromptReader>();
    reader->tokenizer = loadTokenizer(folder);
    reader->format = PromptFormat::readOrPlain(folder);
    return reader;
}

PromptCount countPrompt(const PromptReader& reader, const Conversation& conversation)
{
    const auto count = [&reader](const std::string& text) {
        return static_cast<std::int64_t>(reader.format.encode(text, *reader.tokenizer).size());
    };
    PromptCount result;
    for (const std::string& document : conversation.documents) {
        result.documents.push_back(count(document));
    }
    const std::string whole = reader.format.write(conversation);
    result.preview = shortened(whole);
    const bool isEmpty = conversation.question.empty() && conversation.documents.empty() &&
                         conversation.turns.empty();
    if (isEmpty) {
        return result;
    }
    // Differences of counts of the whole and of ever less of it add up to the exact count.
    Conversation less = conversation;
    less.documents.clear();
    const std::int64_t all = count(whole);
    const std::int64_t unread =
        conversation.documents.empty() ? all : count(reader.format.write(less));
    less.turns.clear();
    const std::int64_t bare =
        conversation.turns.empty() ? unread : count(reader.format.write(less));
    result.budget.document = all - unread;
    result.budget.history = unread - bare;
    result.budget.question = bare;
    return result;
}

} // namespace longlora::ui
