// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/text/chat_template.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longlora {
namespace {

using test::contentOf;
using test::messageOf;
using test::TemporaryFolder;
using Json = nlohmann::ordered_json;

const std::filesystem::path kFolder = LONGLORA_GOLDEN_DIR "/templates";

/// Thursday, 5 November 2026, 14:03:09
std::tm someTime()
{
    std::tm time = {};
    time.tm_year = 126;
    time.tm_mon = 10;
    time.tm_mday = 5;
    time.tm_wday = 4;
    time.tm_yday = 308;
    time.tm_hour = 14;
    time.tm_min = 3;
    time.tm_sec = 9;
    return time;
}

std::string rendered(const std::string& source, const std::string& variables = "{}")
{
    ChatPrompt prompt;
    prompt.now = someTime();
    prompt.variables = variables;
    return ChatTemplate(source, "template").render(prompt);
}

/// Templates of published families and six conversations; expected texts by jinja2.
TEST(ChatTemplate, PublishedFormsGiveTheTextsOfJinja)
{
    const Json golden = Json::parse(contentOf(kFolder / "expected.json"));
    ASSERT_GT(golden["expected"].size(), 60U);
    for (const Json& expected : golden["expected"]) {
        const std::string name = expected["template"];
        const ChatTemplate chat(contentOf(kFolder / (name + ".jinja")), name,
                                {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
        ChatPrompt prompt;
        prompt.now = someTime();
        prompt.variables =
            golden["conversations"][expected["conversation"].get<std::string>()].dump();
        if (expected.contains("text")) {
            EXPECT_EQ(chat.render(prompt), expected["text"].get<std::string>())
                << name << expected["conversation"];
        } else {
            try {
                chat.render(prompt);
                ADD_FAILURE() << name << expected["conversation"];
            } catch (const DataError& error) {
                const std::string refusal = expected["refused"];
                EXPECT_EQ(error.what(),
                          name + ": the chat template refuses the conversation: " + refusal);
            }
        }
    }
}

/// Operators, methods, filters, tests, white space: what jinja2 writes.
TEST(ChatTemplate, SpeaksTheLanguageOfJinja)
{
    const Json golden = Json::parse(contentOf(kFolder / "language.json"));
    const std::string variables = golden["variables"].dump();
    ASSERT_GT(golden["cases"].size(), 500U);
    for (const Json& tested : golden["cases"]) {
        const std::string source = tested[0];
        EXPECT_EQ(rendered(source, variables), tested[1].get<std::string>()) << source;
    }
}

TEST(ChatTemplate, WritesMessagesAndTokens)
{
    // By hand, from the description that came with the models.
    const std::vector<ChatMessage> messages = {
        {"system", "Be brief."}, {"user", " Hello "}, {"assistant", "Hi!"}, {"user", "Bye"}};
    const auto text = [&](const char* name, bool addGenerationPrompt) {
        const ChatTemplate chat(contentOf(kFolder / (std::string(name) + ".jinja")), name,
                                {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
        ChatPrompt prompt;
        prompt.messages = messages;
        prompt.addGenerationPrompt = addGenerationPrompt;
        return chat.render(prompt);
    };
    EXPECT_EQ(text("llama2", true), "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hello [/INST] Hi! "
                                    "</s><s>[INST] Bye [/INST]");
    EXPECT_EQ(text("chatml", true),
              "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hello <|im_end|>\n"
              "<|im_start|>assistant\nHi!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
              "<|im_start|>assistant\n");
    EXPECT_EQ(text("zephyr", false), "<|system|>\nBe brief.</s>\n<|user|>\n Hello </s>\n"
                                     "<|assistant|>\nHi!</s>\n<|user|>\nBye</s>\n");
    // Without a time there is no function for it.
    EXPECT_NE(text("llama3.2", true).find("Today Date: 26 Jul 2024"), std::string::npos);
}

TEST(ChatTemplate, TextsThatAreNotUtf8AreRepaired)
{
    ChatPrompt prompt;
    prompt.messages = {{"user", "a\xFFz"}};
    EXPECT_EQ(ChatTemplate("{{ messages[0].content|length }}", "t").render(prompt), "3");
}

TEST(ChatTemplate, IsFoundInTheFolderOfAModel)
{
    const auto textOf = [](const TemporaryFolder& folder) {
        const std::optional<ChatTemplate> chat = readChatTemplate(folder.path());
        return chat ? chat->render({}) : "none";
    };
    const TemporaryFolder folder;
    EXPECT_EQ(textOf(folder), "none");
    folder.write("chat_template.json", R"({"chat_template": "legacy"})");
    EXPECT_EQ(textOf(folder), "legacy");
    folder.write("tokenizer_config.json", R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
        "pad_token": null, "chat_template": "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}"})");
    EXPECT_EQ(textOf(folder), "<s>|</s>|");
    folder.write("tokenizer_config.json", R"({"chat_template": [
        {"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]})");
    EXPECT_EQ(textOf(folder), "plain");
    folder.write("chat_template.jinja", "file\n");
    EXPECT_EQ(textOf(folder), "file");
}

TEST(ChatTemplate, BadFoldersAreRefusedByName)
{
    for (const auto& [config, part] : std::vector<std::pair<std::string, std::string>>{
             {R"({"chat_template": 7})", "key chat_template: must be a string"},
             {R"({"chat_template": []})", "none of the templates is named \"default\""},
             {R"({"chat_template": [{"name": "default"}]})", "chat_template[0].template: missing"},
             {R"({"chat_template": ["x"]})", "chat_template[0]: must be an object"},
             {R"({"chat_template": "{{"})", "line 1, column 1: the output has no end"},
             {R"({"chat_template": "x", "bos_token": 1})", "bos_token"}}) {
        const TemporaryFolder folder;
        folder.write("tokenizer_config.json", config);
        const std::string message =
            messageOf<FormatError>([&, &path = folder] { readChatTemplate(path.path()); });
        EXPECT_NE(message.find(part), std::string::npos) << message;
        EXPECT_NE(message.find("tokenizer_config.json"), std::string::npos) << message;
    }
}

struct Malformed {
    const char* name;
    const char* source;
    const char* expected; ///< in the message
};

class MalformedTemplate : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedTemplate, IsRefusedWithItsPlace)
{
    try {
        rendered(GetParam().source, R"({"x": 3, "s": "text", "l": [1, 2], "d": {"a": 1}})");
        FAIL() << "was rendered";
    } catch (const FormatError& error) {
        EXPECT_EQ(error.exitStatus(), ExitStatus::Data);
        const std::string message = error.describe();
        EXPECT_EQ(message.find("template, line "), 0U) << message;
        EXPECT_NE(message.find(GetParam().expected), std::string::npos) << message;
    }
}

const Malformed kMalformed[] = {
    // The text is no template.
    {"OutputWithoutEnd", "a\n  {{ x", "line 2, column 3: the output has no end"},
    {"OutputWithHalfAnEnd", "{{ x }", "'}' closes nothing"},
    {"TagWithoutEnd", "{% if x", "line 1, column 1: the tag has no end"},
    {"CommentWithoutEnd", "{# x", "the comment has no end"},
    {"RawWithoutEnd", "{% raw %} x", "the raw block has no end"},
    {"StringWithoutEnd", "{{ 'abc }}", "column 4: the string has no end"},
    {"StringEndsInBackslash", "{{ 'abc\\", "the string has no end"},
    {"StringOfNoCharacter", "{{ '\\ud800' }}", "no character"},
    {"StringOfNamedCharacter", "{{ '\\N{DASH}' }}", "is not supported"},
    {"NumberInHexadecimal", "{{ 0x10 }}", "not a number that is supported"},
    {"NumberTooLarge", "{{ 99999999999999999999 }}", "not a number that is supported"},
    {"NumberWithLetters", "{{ 12ab }}", "not a number that is supported"},
    {"UnknownCharacter", "{{ x @ y }}", "column 6: unexpected character '@'"},
    {"UnknownLetter", "{{ \xC3\xA9 }}", "unexpected character '\xC3\xA9'"},
    {"BracketsCross", "{{ (x] }}", "']' closes nothing"},
    {"NothingInOutput", "{{ }}", "expected an expression, not '}}'"},
    {"TwoExpressions", "{{ x x }}", "expected '}}', not 'x'"},
    {"OperatorWithoutEnd", "{{ x + }}", "expected an expression, not '}}'"},
    {"FilterWithoutName", "{{ x | }}", "expected the name of a filter"},
    {"TestWithoutName", "{{ x is }}", "expected the name of a test"},
    {"TestAfterTest", "{{ x is string is string }}", "needs brackets"},
    {"AttributeWithoutName", "{{ x. }}", "expected a name, not '}}'"},
    {"EmptySubscript", "{{ l[] }}", "expected an expression, not ']'"},
    {"SliceOfFour", "{{ l[1:2:3:4] }}", "expected ']', not ':'"},
    {"DictWithoutColon", "{{ {'a' 1} }}", "expected ':', not '1'"},
    {"ArgumentAfterNamedOne", "{{ range(stop=1, 2) }}", "an argument without a name follows"},
    {"ArgumentsOfUnknownNumber", "{{ range(*l) }}", "unknown number"},
    {"Assignment", "{{ x = 1 }}", "expected '}}', not '='"},
    {"TagWithoutName", "{% %}", "expected the name of a tag"},
    {"UnknownTag", "\n\n{% launch x %}", "line 3, column 4: the tag 'launch' is not supported"},
    {"Include", "{% include 'x' %}", "the tag 'include' is not supported"},
    {"Import", "{% import 'x' as y %}", "the tag 'import' is not supported"},
    {"Extends", "{% extends 'x' %}", "the tag 'extends' is not supported"},
    {"Block", "{% block b %}{% endblock %}", "the tag 'block' is not supported"},
    {"Do", "{% do l.append(1) %}", "the tag 'do' is not supported"},
    {"IfWithoutEnd", "{% if x %}", "ends before {% endif %}"},
    {"IfEndedAsFor", "{% if x %}{% endfor %}", "the tag 'endfor' is not supported, or not in"},
    {"ElseAlone", "{% else %}", "the tag 'else' is not supported, or not in this place"},
    {"EndAlone", "{% endif %}", "the tag 'endif' is not supported, or not in this place"},
    {"ForWithoutIn", "{% for x of l %}{% endfor %}", "expected 'in', not 'of'"},
    {"ForWithoutName", "{% for %}{% endfor %}", "expected a name to assign to"},
    {"RecursiveFor", "{% for x in l recursive %}{% endfor %}", "recursive loops"},
    {"BreakOutside", "{% break %}", "'break' outside of a loop"},
    {"BreakOutOfMacro", "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
     "'break' outside of a loop"},
    {"SetNumber", "{% set 1 = 2 %}", "expected a name to assign to"},
    {"SetTrue", "{% set true = 2 %}", "cannot assign to 'true'"},
    {"MacroWithoutName", "{% macro (x) %}{% endmacro %}", "expected the name of a macro"},
    {"MacroDefaults", "{% macro m(a=1, b) %}{% endmacro %}", "a parameter without a default"},
    {"NotUtf8", "a\xFF", "not UTF-8 at byte 1"},
    // The template cannot do what it wants to.
    {"AttributeOfUndefined", "\n{{ nobody.name }}", "line 2, column 10: 'nobody' is undefined"},
    {"ItemOfUndefined", "{{ nobody['name'] }}", "'nobody' is undefined"},
    {"SumWithUndefined", "{{ 1 + nobody }}", "'nobody' is undefined"},
    {"CallOfUndefined", "{{ nobody(1) }}", "'nobody' is undefined"},
    {"MissingAttribute", "{{ d.b.c }}", "a dict has no 'b'"},
    {"TextPlusNumber", "{{ s + 1 }}", "'+' does not work between str and int"},
    {"TextBelowNumber", "{{ s < 1 }}", "'<' does not work between str and int"},
    {"NumberInText", "{{ 1 in s }}", "must be a text, not int"},
    {"TextInNumber", "{{ s in x }}", "'in' does not work with int"},
    {"DivisionByZero", "{{ 1 // 0 }}", "division by zero"},
    {"RestOfDivisionByZero", "{{ 1 % 0 }}", "division by zero"},
    {"Overflow", "{{ 9223372036854775807 + 1 }}", "larger than 64 bits"},
    {"PowerOverflow", "{{ 10 ** 1000000 }}", "larger than 64 bits"},
    {"StepOfZero", "{{ l[::0] }}", "the step of a slice is zero"},
    {"SliceOfNumber", "{{ x[1:] }}", "cannot take a part of int"},
    {"LoopThroughNumber", "{% for i in x %}{% endfor %}", "cannot go through int"},
    {"UnpackTooMany", "{% set a, b = [1, 2, 3] %}", "cannot divide 3 values among 2 names"},
    {"SetInNumber", "{% set x.y = 1 %}", "'x' is no namespace"},
    {"CallOfNumber", "{{ x() }}", "a int cannot be called"},
    {"UnknownFilter", "{{ x | explode }}", "there is no filter 'explode'"},
    {"UnknownTest", "{{ x is explosive }}", "there is no test 'explosive'"},
    {"FilterArguments", "{{ s | trim('a', 'b') }}", "'trim' takes at most 1 arguments"},
    {"FilterName", "{{ s | default(values=1) }}", "'default' has no argument 'values'"},
    {"FilterNeeds", "{{ s | replace('a') }}", "'replace' needs its argument 'new'"},
    {"LengthOfNumber", "{{ x | length }}", "a int has no length"},
    {"JsonOfUndefined", "{{ nobody | tojson }}", "'nobody' is undefined"},
    {"ListIsChanged", "{{ l.append(3) }}", "'append' would change a list"},
    {"DictIsChanged", "{{ d.update({}) }}", "'update' would change a dict"},
    {"FormatMethod", "{{ '{0.__class__}'.format(x) }}", "'format' is not supported"},
    {"FormatOperator", "{{ '%s' % x }}", "formatting a text with '%'"},
    {"ClassOfText", "{{ ''.__class__.__mro__ }}", "a str has no '__class__'"},
    {"GlobalsOfMacro", "{% macro m() %}{% endmacro %}{{ m.__globals__.os }}",
     "a function has no '__globals__'"},
    {"Cycler", "{{ cycler.__init__ }}", "'cycler' is not supported"},
    {"MacroTooMany", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "takes at most 1 arguments"},
    {"MacroUnknown", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "has no argument 'b'"},
    {"FunctionIsPrinted", "{{ range }}", "a function cannot be printed"},
    {"UnknownTimeFormat", "{{ strftime_now('%Q') }}", "does not know the format"},
    {"TimeFormatGrows", "{{ strftime_now('%Y' * 129) }}", "longer than 256 bytes"},
    {"TimeFormatEnds", "{{ strftime_now('%') }}", "does not know the format"},
    {"SharpS", "{{ '\xC3\x9F' | upper }}", "changing the case of U+00DF"},
    {"SplitAtNothing", "{{ s.split('') }}", "the separator is empty"},
    // It wants more than it may.
    {"EndlessMacro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "more than 400 times"},
    {"EndlessDefault", "{% macro m(a=m()) %}{% endmacro %}{{ m() }}", "more than 400 times"},
    {"LongRange", "{{ range(100001) }}", "more than 100,000 numbers"},
    {"LoopsInLoops", "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
     "more than 1,000,000 steps"},
    {"TextDoubles",
     "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
     "larger than 16 MB"},
    {"TextIsRepeated", "{{ 'x' * 999999999999 }}", "larger than 16 MB"},
    {"ListIsRepeated", "{{ ([1] * 99999999)|length }}", "larger than 16 MB"},
    {"ReplacementGrows", "{{ ('x' * 99999)|replace('x', 'y' * 9999) }}", "larger than 16 MB"},
    {"JoinGrows", "{{ range(99999)|join('y' * 9999) }}", "larger than 16 MB"},
    {"IndentGrows", "{{ [[[1]]]|tojson(indent=101) }}", "larger than 100"},
    {"OutputIsEndless", "{% set s = 'x' * 999999 %}{% for i in range(99) %}{{ s }}{% endfor %}",
     "writes more than 16 MB"},
    {"ListHoldsItself",
     "{% set n = namespace(l=[]) %}{% for i in range(999) %}{% set n.l = [n.l] %}{% endfor %}",
     "nested deeper than 64 levels"},
    {"PrintedTwiceAsLong",
     "{% set n = namespace(l=[1]) %}{% for i in range(50) %}{% set n.l = [n.l, n.l] %}{% endfor %}"
     "{{ n.l }}",
     "more than 1,000,000 steps"},
    {"ComparedTwiceAsLong",
     "{% set n = namespace(l=[1]) %}{% for i in range(50) %}{% set n.l = [n.l, n.l] %}{% endfor %}"
     "{% set m = namespace(l=[1]) %}{% for i in range(50) %}{% set m.l = [m.l, m.l] %}{% endfor %}"
     "{{ n.l == m.l }}",
     "more than 1,000,000 steps"},
    {"NamespaceInItself", "{% set n = namespace() %}{% set n.n = n %}",
     "a namespace cannot be part of another value"},
    {"LoopInItself", "{% for i in l %}{{ loop.changed(loop) }}{% endfor %}",
     "a loop cannot be part of another value"},
};

INSTANTIATE_TEST_SUITE_P(All, MalformedTemplate, testing::ValuesIn(kMalformed),
                         [](const auto& tested) { return std::string(tested.param.name); });

std::string repeated(const std::string& unit, int count)
{
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += unit;
    }
    return text;
}

TEST(ChatTemplate, DepthAndSizeAreBounded)
{
    for (const auto& [source, part] : std::vector<std::pair<std::string, std::string>>{
             {std::string(2 << 20, 'x'), "larger than 1 MB"},
             {"{{ " + repeated("(", 100'000), "nested deeper than 64"},
             {"{{ " + repeated("[", 100'000), "nested deeper than 64"},
             {"{{ " + repeated("{1:", 100'000), "nested deeper than 64"},
             {"{{ " + repeated("not ", 100'000) + "x }}", "nested deeper than 64"},
             {"{{ " + repeated("-", 100'000) + "1 }}", "nested deeper than 64"},
             {"{{ 1" + repeated(" if 1 else 1", 50'000) + " }}", "nested deeper than 64"},
             {"{{ 1" + repeated(" + 1", 100'000) + " }}", "more than 200 operators"},
             {"{{ 1" + repeated(" and 1", 100'000) + " }}", "more than 200 operators"},
             {"{{ x" + repeated(".a", 100'000) + " }}", "more than 200 operators"},
             {"{{ x" + repeated("|trim", 100'000) + " }}", "more than 200 operators"},
             {"{{ x" + repeated("()", 100'000) + " }}", "more than 200 operators"},
             {repeated("{% if 1 %}", 50'000), "nested deeper than 64"},
             {repeated("{% for i in [1] %}", 50'000), "nested deeper than 64"}}) {
        const std::string message =
            messageOf<FormatError>([&, &text = source] { ChatTemplate(text, "deep"); });
        EXPECT_NE(message.find(part), std::string::npos) << source.substr(0, 40) << message;
    }
    // Long is not deep.
    EXPECT_EQ(rendered("{{ 'x'" + repeated(" ~ 'x'", 5'000) + " }}").size(), 5'001U);
    EXPECT_EQ(rendered(repeated("{% if 1 %}x{% endif %}", 20'000)).size(), 20'000U);
    EXPECT_EQ(rendered(repeated("{ ", 400'000)).size(), 800'000U);
}

TEST(ChatTemplate, BadVariablesAreRefused)
{
    for (const auto& [variables, part] : std::vector<std::pair<std::string, std::string>>{
             {"", "not valid JSON"},
             {"[]", "must be a JSON object"},
             {"{\"a\": 1, \"a\": 2}", "stands twice"},
             {"{\"a\": 18446744073709551615}", "larger than 64 bits"},
             {"{\"a\": " + std::string(100, '['), "nested deeper"}}) {
        EXPECT_NE(
            messageOf<FormatError>([&, &text = variables] { rendered("x", text); }).find(part),
            std::string::npos);
    }
}

} // namespace
} // namespace longlora
