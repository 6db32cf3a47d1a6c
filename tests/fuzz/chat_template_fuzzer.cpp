// SPDX-License-Identifier: GPL-3.0-or-later
// Chat templates: code of whoever made the model. Whatever it does, it only writes text.
#include "core/spec/base/error.h"
#include "core/spec/text/chat_template.h"
#include "tests/fuzz/fuzz_target.h"

namespace longlora::fuzz {

namespace {

ChatPrompt somePrompt()
{
    ChatPrompt prompt;
    prompt.messages = {{"system", "Be brief."},
                       {"user", " Hello \xC3\x84? "},
                       {"assistant", "<think>\nx</think>y"},
                       {"user", "{{ bos_token }}"}};
    prompt.now = std::tm{};
    prompt.variables = R"({"enable_thinking": false, "x": [1, -2.5, null, {"a": "b"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]})";
    return prompt;
}

} // namespace

void readAndUse(std::string_view input)
{
    static const ChatPrompt prompt = somePrompt();
    const ChatTemplate chat(input, kFile, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
    const std::string text = chat.render(prompt);
    require(text.size() <= std::size_t{16} << 20, "a template writes at most 16 MB");
    require(text == chat.render(prompt), "a template writes the same twice");
}

} // namespace longlora::fuzz
