// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/value.h"

#include <string>
#include <string_view>
#include <vector>

namespace longlora::jinja {

/// Counted from 1; columns in characters.
struct Position {
    int line = 1;
    int column = 1;
};

/// The template is no template. `position` says where.
class SyntaxFailure : public Failure {
public:
    SyntaxFailure(const Position& position, const std::string& what)
        : Failure(what)
        , m_position(position)
    {}
    const Position& position() const { return m_position; }

private:
    Position m_position;
};

enum class TokenKind {
    Data, ///< text outside of braces, white space stripped as the tags ask
    OutputBegin,
    OutputEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Number, ///< in `value`
    Operator,
    End,
};

struct Token {
    TokenKind kind = TokenKind::End;
    std::string text;
    Value value;
    Position position;

    bool is(TokenKind wanted, std::string_view wantedText) const
    {
        return kind == wanted && text == wantedText;
    }
    /// As messages show it.
    std::string shown() const;
};

/// Divides a template as Jinja does with trim_blocks and lstrip_blocks, which is how transformers
/// sets it. Throws: SyntaxFailure.
std::vector<Token> tokenize(std::string_view source);

} // namespace longlora::jinja
