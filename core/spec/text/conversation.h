// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace longlora {

/// A question and what came back.
struct ConversationTurn {
    std::string question;
    std::string answer;
};

/// Everything a model is given before it answers. How it is written for the model is the matter of
/// PromptFormat. Texts are UTF-8 and whole; nothing is ever cut.
struct Conversation {
    std::string system;                 ///< what the model shall be like; empty: nothing is said
    std::vector<std::string> documents; ///< read before the first question
    std::vector<ConversationTurn> turns;
    std::string question; ///< to be answered now
};

} // namespace longlora
