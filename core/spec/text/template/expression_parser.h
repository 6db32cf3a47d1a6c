// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/syntax.h"
#include "core/spec/text/template/token_stream.h"

namespace longlora::jinja {

/// Reads expressions with the precedence of Jinja 3.1. Throws: SyntaxFailure.
class ExpressionParser {
public:
    explicit ExpressionParser(TokenStream& tokens)
        : m_tokens(tokens)
    {}

    /// `mayBeConditional`: "a if b else c" is one expression.
    ExpressionPointer expression(bool mayBeConditional = true);
    /// Also "a, b" without brackets.
    ExpressionPointer tuple(bool mayBeConditional = true);
    /// The filters behind a '|', of `subject` (null: of a block); `subject` itself if there are
    /// none.
    ExpressionPointer filters(ExpressionPointer subject);

private:
    class Nesting;
    using Children = std::vector<ExpressionPointer>;

    ExpressionPointer make(ExpressionKind kind, const Position& position, std::string text,
                           Children children, std::vector<std::string> names = {}) const;
    ExpressionPointer either();
    ExpressionPointer both();
    ExpressionPointer negation();
    ExpressionPointer comparison();
    ExpressionPointer sum();
    ExpressionPointer concatenation();
    ExpressionPointer product();
    ExpressionPointer power();
    ExpressionPointer unary(bool withFilters);
    ExpressionPointer primary();
    ExpressionPointer brackets();
    ExpressionPointer postfixes(ExpressionPointer subject);
    ExpressionPointer postfilters(ExpressionPointer subject);
    ExpressionPointer subscript(ExpressionPointer subject);
    ExpressionPointer call(ExpressionKind kind, const Position& position, std::string text,
                           ExpressionPointer subject);
    ExpressionPointer test(ExpressionPointer subject);

    TokenStream& m_tokens;
    int m_depth = 0;
};

} // namespace longlora::jinja
