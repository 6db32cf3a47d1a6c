// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/token.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longlora::jinja {

/// Tokens one after another; the last is End and is never passed.
class TokenStream {
public:
    explicit TokenStream(std::vector<Token> tokens)
        : m_tokens(std::move(tokens))
    {}

    const Token& current() const { return m_tokens[m_at]; }
    const Token& following() const
    {
        return m_tokens[m_at + 1 < m_tokens.size() ? m_at + 1 : m_at];
    }
    Token next()
    {
        const Token token = m_tokens[m_at];
        m_at += token.kind == TokenKind::End ? 0 : 1;
        return token;
    }

    bool isName(std::string_view name) const { return current().is(TokenKind::Name, name); }
    bool isOperator(std::string_view text) const { return current().is(TokenKind::Operator, text); }
    bool take(TokenKind kind, std::string_view text)
    {
        const bool found = current().is(kind, text);
        if (found) {
            next();
        }
        return found;
    }
    bool takeName(std::string_view name) { return take(TokenKind::Name, name); }
    bool takeOperator(std::string_view text) { return take(TokenKind::Operator, text); }

    Token expect(TokenKind kind, const std::string& what)
    {
        if (current().kind != kind) {
            refuse("expected " + what + ", not " + current().shown());
        }
        return next();
    }
    void expectOperator(const std::string& text)
    {
        if (!takeOperator(text)) {
            refuse("expected '" + text + "', not " + current().shown());
        }
    }
    [[noreturn]] void refuse(const std::string& what) const
    {
        throw SyntaxFailure(current().position, what);
    }

private:
    std::vector<Token> m_tokens;
    std::size_t m_at = 0;
};

} // namespace longlora::jinja
