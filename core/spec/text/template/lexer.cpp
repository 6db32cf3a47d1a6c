// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/budget.h"
#include "core/spec/text/template/token.h"
#include "core/spec/text/template/unicode_text.h"
#include "core/spec/text/utf8.h"

#include <array>
#include <charconv>

namespace longlora::jinja {

namespace {

bool isNameStart(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool isDigit(char c)
{
    return c >= '0' && c <= '9';
}

/// Every end of a line becomes "\n"; the last one goes.
std::string withoutLineEnds(std::string_view source)
{
    std::string text;
    text.reserve(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\r') {
            text += '\n';
            i += i + 1 < source.size() && source[i + 1] == '\n' ? 1 : 0;
        } else {
            text += source[i];
        }
    }
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

class Lexer {
public:
    explicit Lexer(std::string_view source)
        : m_source(withoutLineEnds(source))
    {}

    std::vector<Token> run()
    {
        while (m_at < m_source.size()) {
            data();
        }
        add(TokenKind::End, "");
        return std::move(m_tokens);
    }

private:
    [[noreturn]] void refuse(const std::string& what) { throw SyntaxFailure(position(), what); }

    std::string_view rest() const { return std::string_view(m_source).substr(m_at); }
    bool startsWith(std::string_view text) const { return rest().starts_with(text); }

    /// Of m_at. Asked for in order, so that counting is done once.
    Position position()
    {
        for (; m_counted < m_at; ++m_counted) {
            if (m_source[m_counted] == '\n') {
                ++m_position.line;
                m_position.column = 1;
            } else if ((static_cast<unsigned char>(m_source[m_counted]) & 0xC0) != 0x80) {
                ++m_position.column;
            }
        }
        return m_position;
    }

    void add(TokenKind kind, std::string text, Value value = {})
    {
        m_tokens.push_back({kind, std::move(text), std::move(value), position()});
    }

    /// Text up to the next tag, and the tag.
    void data()
    {
        const std::size_t begin = m_at;
        std::size_t end = m_source.find('{', begin);
        while (end != std::string::npos && !startsTag(end)) {
            end = m_source.find('{', end + 1);
        }
        if (end == std::string::npos) {
            add(TokenKind::Data, m_source.substr(begin));
            m_at = m_source.size();
            return;
        }
        const char kind = m_source[end + 1];
        const char sign = end + 2 < m_source.size() ? m_source[end + 2] : ' ';
        addStripped(begin, end, kind, sign);
        m_at = end;
        m_tag = position();
        m_at = end + 2 + (sign == '-' || sign == '+' ? 1 : 0);
        if (kind == '#') {
            comment();
        } else if (kind == '%' && isRaw()) {
            raw();
        } else {
            tag(kind == '%');
        }
    }

    bool startsTag(std::size_t at) const
    {
        const char next = at + 1 < m_source.size() ? m_source[at + 1] : ' ';
        return next == '{' || next == '%' || next == '#';
    }

    /// The text before a tag: '-' strips white space, and a tag that is no output strips the
    /// spaces before it on its line unless it says '+'.
    void addStripped(std::size_t begin, std::size_t end, char kind, char sign)
    {
        std::string_view text = std::string_view(m_source).substr(begin, end - begin);
        if (sign == '-') {
            text = strippedRight(text);
        } else if (sign != '+' && kind != '{') {
            const std::size_t line = text.rfind('\n') + 1; // 0 if there is none
            const bool startsLine = line > 0 || begin == 0 || m_source[begin - 1] == '\n';
            if (startsLine && strippedRight(text.substr(line)).empty()) {
                text = text.substr(0, line);
            }
        }
        if (!text.empty()) {
            add(TokenKind::Data, std::string(text));
        }
    }

    void skipSpace()
    {
        const std::string_view stripped = strippedLeft(rest());
        m_at = m_source.size() - stripped.size();
    }

    /// Past the end of a tag, which m_at stands at: "-%}" takes the white space behind it, "%}" one
    /// line feed, "+%}" nothing. Returns false if it is no end.
    bool takeEnd(std::string_view end, bool trims)
    {
        if (startsWith(end)) {
            m_at += end.size();
            m_at += trims && startsWith("\n") ? 1 : 0;
            return true;
        }
        const bool strips = startsWith("-");
        if ((!strips && !(trims && startsWith("+"))) || !rest().substr(1).starts_with(end)) {
            return false;
        }
        m_at += 1 + end.size();
        if (strips) {
            skipSpace();
        }
        return true;
    }

    void comment()
    {
        const std::size_t end = m_source.find("#}", m_at);
        if (end == std::string::npos) {
            throw SyntaxFailure(m_tag, "the comment has no end");
        }
        const bool hasSign = end > m_at && (m_source[end - 1] == '-' || m_source[end - 1] == '+');
        m_at = hasSign ? end - 1 : end;
        takeEnd("#}", true);
    }

    bool isRaw() const
    {
        std::string_view text = strippedLeft(rest());
        if (!text.starts_with("raw")) {
            return false;
        }
        text = strippedLeft(text.substr(3));
        return text.starts_with("%}") || text.starts_with("-%}");
    }

    /// {% raw %} ... {% endraw %}
    void raw()
    {
        skipSpace();
        m_at += 3;
        skipSpace();
        takeEnd("%}", false);
        const std::size_t begin = m_at;
        for (std::size_t end = m_source.find("{%", begin); end != std::string::npos;
             end = m_source.find("{%", end + 1)) {
            const char sign = end + 2 < m_source.size() ? m_source[end + 2] : ' ';
            m_at = end + 2 + (sign == '-' || sign == '+' ? 1 : 0);
            skipSpace();
            if (startsWith("endraw")) {
                m_at += 6;
                skipSpace();
                const std::size_t close = m_at;
                if (takeEnd("%}", true)) {
                    const std::size_t after = m_at;
                    m_at = close;
                    addStripped(begin, end, '%', sign);
                    m_at = after;
                    return;
                }
            }
        }
        throw SyntaxFailure(m_tag, "the raw block has no end");
    }

    void tag(bool isBlock)
    {
        m_tokens.push_back(
            {isBlock ? TokenKind::BlockBegin : TokenKind::OutputBegin, "", {}, m_tag});
        std::string open; // brackets that wait for their end
        for (;;) {
            skipSpace();
            if (m_at >= m_source.size()) {
                throw SyntaxFailure(m_tag,
                                    isBlock ? "the tag has no end" : "the output has no end");
            }
            if (open.empty()) {
                const Position end = position();
                if (takeEnd(isBlock ? "%}" : "}}", isBlock)) {
                    m_tokens.push_back(
                        {isBlock ? TokenKind::BlockEnd : TokenKind::OutputEnd, "", {}, end});
                    return;
                }
            }
            inTag(open);
        }
    }

    void inTag(std::string& open)
    {
        const char c = m_source[m_at];
        if (isNameStart(c)) {
            std::size_t end = m_at;
            while (end < m_source.size() &&
                   (isNameStart(m_source[end]) || isDigit(m_source[end]))) {
                ++end;
            }
            add(TokenKind::Name, m_source.substr(m_at, end - m_at));
            m_at = end;
        } else if (isDigit(c)) {
            number();
        } else if (c == '"' || c == '\'') {
            string(c);
        } else {
            symbol(open);
        }
    }

    void symbol(std::string& open)
    {
        constexpr std::array<std::string_view, 26> kSymbols = {
            "//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<",
            ">",  "=",  "(",  ")",  "[",  "]",  "{", "}", ".", ":", "|", ",", ";"};
        for (const std::string_view known : kSymbols) {
            if (!startsWith(known)) {
                continue;
            }
            if (known == "(" || known == "[" || known == "{") {
                open += known == "(" ? ')' : known == "[" ? ']' : '}';
                if (std::ssize(open) > kSyntaxDepth) {
                    refuse("brackets are nested deeper than 64 levels");
                }
            } else if (known == ")" || known == "]" || known == "}") {
                if (open.empty() || open.back() != known[0]) {
                    refuse("'" + std::string(known) + "' closes nothing");
                }
                open.pop_back();
            }
            add(TokenKind::Operator, std::string(known));
            m_at += known.size();
            return;
        }
        const std::size_t length = utf8CharacterAt(m_source, m_at).length;
        refuse("unexpected character '" + m_source.substr(m_at, length) + "'");
    }

    /// Digits, and underscores between them.
    std::string digits()
    {
        std::string text;
        while (m_at < m_source.size() &&
               (isDigit(m_source[m_at]) || (m_source[m_at] == '_' && m_at + 1 < m_source.size() &&
                                            isDigit(m_source[m_at + 1])))) {
            text += m_source[m_at] == '_' ? "" : m_source.substr(m_at, 1);
            ++m_at;
        }
        return text;
    }

    void number()
    {
        const std::size_t begin = m_at;
        std::string text = digits();
        bool isFloat = false;
        const auto digitAt = [&](std::size_t offset) {
            return m_at + offset < m_source.size() && isDigit(m_source[m_at + offset]);
        };
        if (startsWith(".") && digitAt(1)) {
            isFloat = true;
            ++m_at;
            text += '.' + digits();
        }
        if (startsWith("e") || startsWith("E")) {
            const bool hasSign =
                rest().substr(1).starts_with('+') || rest().substr(1).starts_with('-');
            if (digitAt(hasSign ? 2 : 1)) {
                isFloat = true;
                text += hasSign && m_source[m_at + 1] == '-' ? "e-" : "e";
                m_at += hasSign ? 2 : 1;
                text += digits();
            }
        }
        const std::size_t end = m_at;
        m_at = begin;
        Value value;
        std::int64_t integer = 0;
        double real = 0;
        const char* const last = text.data() + text.size();
        const auto result = isFloat ? std::from_chars(text.data(), last, real)
                                    : std::from_chars(text.data(), last, integer);
        const bool isPrefixed = text.size() > 1 && text[0] == '0' && !isFloat;
        if (result.ec != std::errc() || isPrefixed ||
            (end < m_source.size() && isNameStart(m_source[end]))) {
            refuse("not a number that is supported: '" + m_source.substr(begin, end - begin + 1) +
                   "'");
        }
        add(TokenKind::Number, text, isFloat ? Value(real) : Value(integer));
        m_at = end;
    }

    void string(char quote)
    {
        std::size_t end = m_at + 1;
        while (end < m_source.size() && m_source[end] != quote) {
            end += m_source[end] == '\\' ? 2 : 1;
        }
        if (end >= m_source.size()) {
            refuse("the string has no end");
        }
        const std::string_view body = std::string_view(m_source).substr(m_at + 1, end - m_at - 1);
        std::string text;
        std::string problem;
        if (!unescape(body, text, problem)) {
            refuse(problem);
        }
        add(TokenKind::String, std::move(text));
        m_at = end + 1;
    }

    std::string m_source;
    std::size_t m_at = 0;
    std::size_t m_counted = 0;
    Position m_position;
    Position m_tag; ///< of the tag that is read
    std::vector<Token> m_tokens;
};

} // namespace

std::string Token::shown() const
{
    switch (kind) {
    case TokenKind::End:
        return "the end of the template";
    case TokenKind::Data:
        return "text";
    case TokenKind::OutputBegin:
        return "'{{'";
    case TokenKind::OutputEnd:
        return "'}}'";
    case TokenKind::BlockBegin:
        return "'{%'";
    case TokenKind::BlockEnd:
        return "'%}'";
    case TokenKind::String:
        return "a string";
    default:
        return "'" + text + "'";
    }
}

std::vector<Token> tokenize(std::string_view source)
{
    if (source.size() > kSourceBytes) {
        throw SyntaxFailure({}, "the template is larger than 1 MB");
    }
    if (const auto offset = firstInvalidUtf8(source)) {
        throw SyntaxFailure({}, "the template is not UTF-8 at byte " + std::to_string(*offset));
    }
    return Lexer(source).run();
}

} // namespace longlora::jinja
