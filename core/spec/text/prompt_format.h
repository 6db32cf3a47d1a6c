// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/chat_template.h"
#include "core/spec/text/conversation.h"
#include "core/spec/text/tokenizer.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace longlora {

/// How a model says that its answer is complete, beside the ids of its configuration.
struct TurnEnd {
    std::optional<TokenId> id;
    std::string text; ///< where the tokenizer has no id for it; empty: nothing
};

/// How a conversation becomes the text that a model reads: by its chat template, or, for a base
/// model, as plain text to go on from. Threading: const members may be called from several threads.
class PromptFormat {
public:
    /// Plain text.
    PromptFormat() = default;

    /// Of the model in `folder`: its template, tried on a short question; plain text if it has
    /// none. Throws: FormatError, DataError if the template cannot be read or used.
    static PromptFormat read(const std::filesystem::path& folder);
    /// The same for a program that goes on: what cannot be used is told in problem(), and plain
    /// text stands in for it.
    static PromptFormat readOrPlain(const std::filesystem::path& folder);

    bool isPlain() const noexcept { return !m_template; }
    /// One line: why the template of the folder is not used; empty: it is, or there is none.
    const std::string& problem() const noexcept { return m_problem; }
    /// The published form that the template writes: "ChatML", "Llama 3", ...; "its own" for others,
    /// empty for plain text.
    const std::string& style() const noexcept { return m_style; }
    /// Where the template stands; empty for plain text.
    std::string source() const;

    /// By the template: the documents, each followed by a blank line, begin the first message of
    /// the user; the template may refuse the conversation. Plain: system text and documents, each
    /// followed by a blank line, then each earlier question with its answer and a blank line, then
    /// the question.
    /// Throws: DataError, FormatError of ChatTemplate::render.
    std::string write(const Conversation& conversation) const;
    /// What the model is fed: BOS once, from the template or, for plain text, from the tokenizer.
    std::vector<TokenId> encode(const std::string& written, const Tokenizer& tokenizer) const;
    TurnEnd turnEnd(const Tokenizer& tokenizer) const;

private:
    std::optional<ChatTemplate> m_template;
    std::string m_style;
    std::string m_turnEnd; ///< what the template writes after an answer, white space before it gone
    std::string m_problem;
};

} // namespace longlora
