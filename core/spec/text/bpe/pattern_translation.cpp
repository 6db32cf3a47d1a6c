// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/pattern_translation.h"

#include "core/spec/base/error.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace longlora {

namespace {

constexpr std::size_t kPatternBytes = std::size_t{16} << 10;
constexpr int kDepth = 32;
constexpr int kLargestCount = 1000;

// Property White_Space. PCRE2 would add U+180E.
constexpr std::string_view kSpaces =
    R"(\x{09}-\x{0D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// Their meaning has not changed for the characters of Unicode 14, whichever version is asked.
constexpr std::array<std::string_view, 14> kProperties = {"L", "Lu", "Ll", "Lt", "Lm", "Lo", "M",
                                                          "N", "Nd", "P",  "S",  "Z",  "Zs", "Han"};

/// Letters that another letter folds to in this order: "ss" is also the sharp s.
constexpr std::array<std::string_view, 5> kFolded = {"ss", "st", "ff", "fi", "fl"};

bool isAsciiLetter(char32_t c)
{
    return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

bool isAsciiDigit(char32_t c)
{
    return c >= U'0' && c <= U'9';
}

std::string literal(char32_t c)
{
    if (isAsciiLetter(c) || isAsciiDigit(c)) {
        return {static_cast<char>(c)};
    }
    return fmt::format("\\x{{{:02X}}}", static_cast<std::uint32_t>(c));
}

/// Reads the pattern from left to right; `m_at` is the offset in bytes.
class Translation {
public:
    explicit Translation(std::string_view pattern)
        : m_pattern(pattern)
    {}

    std::string run()
    {
        if (m_pattern.size() > kPatternBytes) {
            refuse("patterns longer than 16 KB");
        }
        if (firstInvalidUtf8(m_pattern)) {
            refuse("a pattern that is not UTF-8");
        }
        alternatives(0, false);
        if (!isAtEnd()) {
            refuse("a bracket that closes none");
        }
        return std::move(m_out);
    }

private:
    [[noreturn]] void refuse(const std::string& what) const
    {
        throw DataError(
            fmt::format("the pattern has {} at offset {}, which is not supported", what, m_at));
    }

    bool isAtEnd() const { return m_at >= m_pattern.size(); }
    bool startsWith(std::string_view text) const
    {
        return m_pattern.substr(m_at).starts_with(text);
    }
    bool take(std::string_view text)
    {
        const bool found = startsWith(text);
        m_at += found ? text.size() : 0;
        return found;
    }
    char32_t takeCharacter()
    {
        const auto [codePoint, length] = utf8CharacterAt(m_pattern, m_at);
        m_at += length;
        return codePoint;
    }

    void alternatives(int depth, bool ignoresCase)
    {
        if (depth > kDepth) {
            refuse("groups nested deeper than 32 levels");
        }
        m_lastLetter = 0;
        while (!isAtEnd() && !startsWith(")")) {
            if (take("|")) {
                m_out += '|';
                m_lastLetter = 0;
            } else {
                const bool repeats = item(depth, ignoresCase);
                if (repeats && quantifier()) {
                    m_lastLetter = 0;
                }
            }
        }
    }

    /// One thing that may be repeated, or an assertion that may not. Returns whether it may.
    bool item(int depth, bool ignoresCase)
    {
        if (take("(")) {
            return group(depth, ignoresCase);
        }
        if (take("[")) {
            characterClass(ignoresCase);
            return true;
        }
        if (take("^") || take("$")) {
            m_out += m_pattern[m_at - 1];
            return false;
        }
        if (take(".")) {
            m_out += "[^\\x{0A}]";
            m_lastLetter = 0;
            return true;
        }
        if (startsWith("*") || startsWith("+") || startsWith("?") || startsWith("{") ||
            startsWith("}") || startsWith("]")) {
            refuse(fmt::format("'{}' after nothing that it could belong to", m_pattern[m_at]));
        }
        if (take("\\")) {
            if (const std::optional<std::string> set = escapedSet()) {
                m_out +=
                    set->starts_with("\\p") || set->starts_with("\\P") ? *set : "[" + *set + "]";
                m_lastLetter = 0;
            } else {
                addLiteral(escapedCharacter(), ignoresCase);
            }
            return true;
        }
        addLiteral(takeCharacter(), ignoresCase);
        return true;
    }

    bool group(int depth, bool ignoresCase)
    {
        struct Opening {
            std::string_view text;
            std::string_view translated;
            bool isAssertion;
        };
        constexpr std::array<Opening, 7> kOpenings = {{{"?:", "(?:", false},
                                                       {"?i:", "(?i:", false},
                                                       {"?>", "(?>", false},
                                                       {"?=", "(?=", true},
                                                       {"?!", "(?!", true},
                                                       {"?<=", "(?<=", true},
                                                       {"?<!", "(?<!", true}}};
        Opening opening = {"", "(?:", false}; // nobody asks for what a group has found
        for (const Opening& known : kOpenings) {
            if (take(known.text)) {
                opening = known;
                break;
            }
        }
        if (startsWith("?") || startsWith("*")) {
            refuse("a group that begins with \"(" + std::string(m_pattern.substr(m_at, 3)) + "\"");
        }
        m_out += opening.translated;
        alternatives(depth + 1, ignoresCase || opening.text == "?i:");
        if (!take(")")) {
            refuse("a group without an end");
        }
        m_out += ')';
        m_lastLetter = 0;
        return !opening.isAssertion;
    }

    /// Returns whether there was one.
    bool quantifier()
    {
        if (take("?") || take("*") || take("+")) {
            m_out += m_pattern[m_at - 1];
            if (take("?") || take("+")) { // lazy, possessive
                m_out += m_pattern[m_at - 1];
            }
        } else if (take("{")) {
            m_out += '{' + count();
            if (take(",")) {
                m_out += ',';
                m_out += startsWith("}") ? std::string() : count();
            }
            if (!take("}")) {
                refuse("a repetition without an end");
            }
            m_out += '}';
        } else {
            return false;
        }
        if (startsWith("?") || startsWith("*") || startsWith("+") || startsWith("{")) {
            refuse("a repetition of a repetition");
        }
        return true;
    }

    std::string count()
    {
        int value = 0;
        const std::size_t begin = m_at;
        while (!isAtEnd() && isAsciiDigit(static_cast<unsigned char>(m_pattern[m_at])) &&
               value <= kLargestCount) {
            value = value * 10 + (m_pattern[m_at] - '0');
            ++m_at;
        }
        if (m_at == begin || value > kLargestCount) {
            refuse("a repetition without a number up to 1,000");
        }
        return std::to_string(value);
    }

    void addLiteral(char32_t c, bool ignoresCase)
    {
        if (ignoresCase) {
            if (c >= 0x80) {
                refuse("(?i) around letters beyond ASCII");
            }
            const char32_t small = c >= U'A' && c <= U'Z' ? c + 0x20 : c;
            const std::string pair = {static_cast<char>(m_lastLetter), static_cast<char>(small)};
            if (std::find(kFolded.begin(), kFolded.end(), pair) != kFolded.end()) {
                refuse("(?i) around \"" + pair + "\", which is also one letter");
            }
            m_lastLetter = small;
        }
        m_out += literal(c);
    }

    /// After the backslash: what may stand inside brackets, or nothing if it is one character.
    std::optional<std::string> escapedSet()
    {
        if (take("s")) {
            return std::string(kSpaces);
        }
        if (take("S")) {
            return "^" + std::string(kSpaces);
        }
        if (take("d")) {
            return "\\p{Nd}";
        }
        if (!startsWith("p") && !startsWith("P")) {
            return std::nullopt;
        }
        const std::string escape = {'\\', m_pattern[m_at++]};
        const std::size_t end = m_pattern.find('}', m_at);
        if (!take("{") || end == std::string_view::npos) {
            refuse("a property without braces");
        }
        const std::string name(m_pattern.substr(m_at, end - m_at));
        if (std::find(kProperties.begin(), kProperties.end(), name) == kProperties.end()) {
            refuse("the property \"" + name.substr(0, 40) + "\"");
        }
        m_at = end + 1;
        return escape + (name == "Han" ? "{sc:Han}" : "{" + name + "}");
    }

    char32_t escapedCharacter()
    {
        if (isAtEnd()) {
            refuse("a backslash at its end");
        }
        const char32_t c = takeCharacter();
        switch (c) {
        case U't':
            return U'\t';
        case U'n':
            return U'\n';
        case U'v':
            return U'\v';
        case U'f':
            return U'\f';
        case U'r':
            return U'\r';
        case U'u':
            return hexadecimal(4);
        case U'x':
            return startsWith("{") ? bracedHexadecimal() : hexadecimal(2);
        default:
            break;
        }
        if (isAsciiLetter(c) || isAsciiDigit(c) || c >= 0x80) {
            std::string shown;
            appendUtf8(shown, c);
            refuse("\"\\" + shown + "\"");
        }
        return c;
    }

    char32_t hexadecimal(std::size_t digits)
    {
        constexpr std::string_view kDigits = "0123456789abcdef";
        char32_t value = 0;
        for (std::size_t i = 0; i < digits; ++i, ++m_at) {
            const char c = isAtEnd() ? ' ' : m_pattern[m_at];
            const std::size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? char(c + 0x20) : c);
            if (digit == std::string_view::npos) {
                refuse("a character code without its digits");
            }
            value = value * 16 + static_cast<char32_t>(digit);
        }
        // \xHH above 7F is a byte there, half a character.
        if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF) ||
            (digits == 2 && value > 0x7F)) {
            refuse("a code that is no character");
        }
        return value;
    }

    char32_t bracedHexadecimal()
    {
        ++m_at;
        const std::size_t end = m_pattern.find('}', m_at);
        if (end == std::string_view::npos || end == m_at || end - m_at > 6) {
            refuse("a character code without its digits");
        }
        const std::size_t digits = end - m_at;
        const char32_t value =
            digits == 2 ? hexadecimal(1) * 16 + hexadecimal(1) : hexadecimal(digits);
        ++m_at;
        return value;
    }

    /// After the opening bracket, to the closing one.
    void characterClass(bool ignoresCase)
    {
        m_out += take("^") ? "[^" : "[";
        if (startsWith("]")) {
            refuse("a class that begins with ']'");
        }
        m_lastLetter = 0;
        while (!take("]")) {
            if (isAtEnd()) {
                refuse("a class without an end");
            }
            if (startsWith("[") || startsWith("&&")) {
                refuse("a class inside a class");
            }
            classItem(ignoresCase);
        }
        m_out += ']';
    }

    void classItem(bool ignoresCase)
    {
        const bool isDash = startsWith("-");
        const std::optional<char32_t> first = classCharacter(ignoresCase);
        if (!startsWith("-") || m_pattern.substr(m_at + 1).starts_with("]")) {
            return;
        }
        ++m_at;
        if (!first || isDash || startsWith("[") || startsWith("&&")) {
            refuse("a '-' between what is no range");
        }
        m_out += '-';
        const std::optional<char32_t> last = classCharacter(ignoresCase);
        if (!last || *last < *first) {
            refuse("a '-' between what is no range");
        }
    }

    /// One character or set of a class, written; empty if it was a set.
    std::optional<char32_t> classCharacter(bool ignoresCase)
    {
        if (isAtEnd()) {
            refuse("a class without an end");
        }
        char32_t c = 0;
        if (take("\\")) {
            if (const std::optional<std::string> set = escapedSet()) {
                if (set->starts_with("^")) {
                    refuse("\"\\S\" inside a class");
                }
                m_out += *set;
                return std::nullopt;
            }
            c = escapedCharacter();
        } else {
            c = takeCharacter();
        }
        if (ignoresCase && c >= 0x80) {
            refuse("(?i) around letters beyond ASCII");
        }
        m_out += literal(c);
        return c;
    }

    std::string_view m_pattern;
    std::size_t m_at = 0;
    std::string m_out;
    char32_t m_lastLetter = 0; ///< the literal just before, in small letters, under (?i)
};

} // namespace

std::string pcrePatternOf(std::string_view pattern)
{
    return Translation(pattern).run();
}

} // namespace longlora
