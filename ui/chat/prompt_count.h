// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/prompt_format.h"
#include "ui/widgets/token_gauge.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace longlora::ui {

/// What a model's texts are counted with: the same parts that the engine writes and encodes with.
struct PromptReader {
    std::unique_ptr<const Tokenizer> tokenizer;
    PromptFormat format;
};

/// Threading: takes up to seconds for a large vocabulary; call it in the background.
/// Throws: FormatError, DataError if the tokenizer cannot be read.
std::shared_ptr<const PromptReader> readPromptReader(const std::filesystem::path& folder);

/// A conversation as it would be sent.
struct PromptCount {
    TokenBudget budget;                  ///< document, history and question: together all of it
    std::vector<std::int64_t> documents; ///< tokens of each alone
    std::string preview;                 ///< the text; of a long one beginning and end
};

/// Counts exactly. What the template adds counts with the question.
/// Threading: takes seconds for a long book; call it in the background.
/// Throws: DataError, FormatError if the template refuses the conversation.
PromptCount countPrompt(const PromptReader& reader, const Conversation& conversation);

} // namespace longlora::ui
