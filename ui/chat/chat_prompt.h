// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace longlora::ui {

/// A text the model reads before every question.
struct ChatDocument {
    std::string path;
    std::string text; ///< UTF-8, whole
};

/// A question and what came back.
struct ChatTurn {
    std::string question;
    std::string answer;
};

/// The parts of a prompt, in the order in which they are joined. Plain completion: the documents,
/// each followed by a blank line, then each earlier question with its answer and a blank line, then
/// the question; nothing is added around them and nothing is cut.
struct ChatPrompt {
    std::string documents;
    std::string history;
    std::string question;

    std::string whole() const { return documents + history + question; }
};

ChatPrompt makePrompt(const std::vector<ChatDocument>& documents,
                      const std::vector<ChatTurn>& turns, const std::string& question);

} // namespace longlora::ui
