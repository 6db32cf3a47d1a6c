// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/unicode_text.h"

#include "core/spec/text/bpe/unicode_versions.h"
#include "core/spec/text/template/value.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

namespace longlora::jinja {

namespace {

bool isStripped(std::string_view character, const std::optional<std::string_view>& characters)
{
    return characters ? characters->find(character) != std::string_view::npos
                      : isSpace(utf8CharacterAt(character, 0).codePoint);
}

bool endsLine(char32_t c)
{
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
}

/// Source: The Unicode Standard, SpecialCasing.txt.
bool hasSpecialCase(char32_t c, LetterCase letterCase)
{
    if (letterCase == LetterCase::Lower) {
        return c == 0x0130 || c == 0x03A3; // dotted I; sigma, which is another at the end of a word
    }
    return c == 0x00DF || c == 0x0149 || c == 0x01F0 || c == 0x0390 || c == 0x03B0 || c == 0x0587 ||
           (c >= 0x1E96 && c <= 0x1E9A) || (c >= 0x1F50 && c <= 0x1FFC) ||
           (c >= 0xFB00 && c <= 0xFB17);
}

char32_t mapped(char32_t c, LetterCase letterCase)
{
    if (hasSpecialCase(c, letterCase)) {
        throw Failure(fmt::format("changing the case of U+{:04X} is not supported",
                                  static_cast<std::uint32_t>(c)));
    }
    const auto codePoint = static_cast<utf8proc_int32_t>(c);
    const utf8proc_int32_t result = letterCase == LetterCase::Lower   ? utf8proc_tolower(codePoint)
                                    : letterCase == LetterCase::Upper ? utf8proc_toupper(codePoint)
                                                                      : utf8proc_totitle(codePoint);
    return static_cast<char32_t>(result);
}

bool isCased(char32_t c)
{
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
           category == UTF8PROC_CATEGORY_LT;
}

/// `digits` hexadecimal digits at `at`; none if they are not there.
std::optional<char32_t> hexadecimal(std::string_view text, std::size_t at, std::size_t digits)
{
    constexpr std::string_view kDigits = "0123456789abcdef";
    char32_t value = 0;
    for (std::size_t i = at; i < at + digits; ++i) {
        const char c = i < text.size() ? text[i] : ' ';
        const std::size_t digit =
            kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 0x20) : c);
        if (digit == std::string_view::npos) {
            return std::nullopt;
        }
        value = value * 16 + static_cast<char32_t>(digit);
    }
    return value;
}

} // namespace

bool isSpace(char32_t character)
{
    return isWhiteSpace(character) || (character >= 0x1C && character <= 0x1F);
}

std::string_view strippedLeft(std::string_view text, std::optional<std::string_view> characters)
{
    while (!text.empty()) {
        const std::size_t length = utf8CharacterAt(text, 0).length;
        if (!isStripped(text.substr(0, length), characters)) {
            break;
        }
        text.remove_prefix(length);
    }
    return text;
}

std::string_view strippedRight(std::string_view text, std::optional<std::string_view> characters)
{
    while (!text.empty()) {
        const std::size_t last = utf8CharacterBefore(text, text.size());
        if (!isStripped(text.substr(last), characters)) {
            break;
        }
        text = text.substr(0, last);
    }
    return text;
}

std::size_t characterCount(std::string_view text)
{
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
}

std::vector<std::string_view> charactersOf(std::string_view text)
{
    std::vector<std::string_view> characters;
    while (!text.empty()) {
        const std::size_t length = utf8CharacterAt(text, 0).length;
        characters.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return characters;
}

std::vector<std::string_view> splitAtSpaces(std::string_view text, std::int64_t most)
{
    std::vector<std::string_view> parts;
    text = strippedLeft(text);
    while (!text.empty()) {
        if (most >= 0 && std::ssize(parts) == most) {
            parts.push_back(strippedRight(text));
            break;
        }
        std::size_t end = 0;
        while (end < text.size() && !isSpace(utf8CharacterAt(text, end).codePoint)) {
            end += utf8CharacterAt(text, end).length;
        }
        parts.push_back(text.substr(0, end));
        text = strippedLeft(text.substr(end));
    }
    return parts;
}

std::vector<std::string_view> splitAt(std::string_view text, std::string_view separator,
                                      std::int64_t most)
{
    std::vector<std::string_view> parts;
    std::size_t found = text.find(separator);
    while (found != std::string_view::npos && (most < 0 || std::ssize(parts) < most)) {
        parts.push_back(text.substr(0, found));
        text.remove_prefix(found + separator.size());
        found = text.find(separator);
    }
    parts.push_back(text);
    return parts;
}

std::vector<std::string_view> splitAtFromRight(std::string_view text, std::string_view separator,
                                               std::int64_t most)
{
    std::vector<std::string_view> parts;
    std::size_t found = text.rfind(separator);
    while (found != std::string_view::npos && (most < 0 || std::ssize(parts) < most)) {
        parts.push_back(text.substr(found + separator.size()));
        text = text.substr(0, found);
        found = text.rfind(separator);
    }
    parts.push_back(text);
    std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<std::string_view> splitLines(std::string_view text)
{
    std::vector<std::string_view> lines;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
        const auto [codePoint, length] = utf8CharacterAt(text, i);
        if (!endsLine(codePoint)) {
            i += length;
            continue;
        }
        lines.push_back(text.substr(begin, i - begin));
        i += text.substr(i).starts_with("\r\n") ? 2 : length;
        begin = i;
    }
    if (begin < text.size()) {
        lines.push_back(text.substr(begin));
    }
    return lines;
}

std::string inCase(std::string_view text, LetterCase letterCase)
{
    std::string result;
    bool followsLetter = false;
    for (std::size_t i = 0; i < text.size();) {
        const auto [codePoint, length] = utf8CharacterAt(text, i);
        const bool isInner = letterCase == LetterCase::Title && followsLetter;
        appendUtf8(result, mapped(codePoint, isInner ? LetterCase::Lower : letterCase));
        followsLetter = isCased(codePoint);
        i += length;
    }
    return result;
}

std::string capitalized(std::string_view text)
{
    if (text.empty()) {
        return {};
    }
    const std::size_t length = utf8CharacterAt(text, 0).length;
    return inCase(text.substr(0, length), LetterCase::Title) +
           inCase(text.substr(length), LetterCase::Lower);
}

bool unescape(std::string_view body, std::string& text, std::string& problem)
{
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kMeant = "\a\b\f\n\r\t\v\\'\"";
    for (std::size_t i = 0; i < body.size(); ++i) {
        if (body[i] != '\\') {
            text += body[i];
            continue;
        }
        const char letter = body[++i];
        const std::size_t known = kLetters.find(letter);
        if (known != std::string_view::npos) {
            text += kMeant[known];
        } else if (letter == 'x' || letter == 'u' || letter == 'U') {
            const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
            const std::optional<char32_t> code = hexadecimal(body, i + 1, digits);
            if (!code || *code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF)) {
                problem = "the string has an escape that is no character";
                return false;
            }
            appendUtf8(text, *code);
            i += digits;
        } else if (letter == 'N' || (letter >= '0' && letter <= '7')) {
            problem = std::string("the escape \"\\") + letter + "\" is not supported";
            return false;
        } else if (letter != '\n') { // that one is a line that goes on
            text += '\\';
            text += letter;
        }
    }
    return true;
}

} // namespace longlora::jinja
