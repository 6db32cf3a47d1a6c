// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/chat_prompt.h"

namespace longlora::ui {

ChatPrompt makePrompt(const std::vector<ChatDocument>& documents,
                      const std::vector<ChatTurn>& turns, const std::string& question)
{
    ChatPrompt prompt;
    for (const ChatDocument& document : documents) {
        prompt.documents += document.text + "\n\n";
    }
    for (const ChatTurn& turn : turns) {
        prompt.history += turn.question + turn.answer + "\n\n";
    }
    prompt.question = question;
    return prompt;
}

} // namespace longlora::ui
