// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/budget.h"
#include "core/spec/text/template/expression_parser.h"
#include "core/spec/text/template/syntax.h"

#include <algorithm>
#include <initializer_list>

namespace longlora::jinja {

namespace {

using Kind = StatementKind;

class Parser {
public:
    explicit Parser(std::vector<Token> tokens)
        : m_tokens(std::move(tokens))
        , m_expressions(m_tokens)
    {}

    std::vector<Statement> run()
    {
        std::vector<Statement> statements = body({});
        if (m_tokens.current().kind != TokenKind::End) {
            m_tokens.refuse("unexpected " + m_tokens.current().shown());
        }
        return statements;
    }

private:
    using Names = std::initializer_list<std::string_view>;

    /// Statements up to a tag that begins with one of `ends`, whose name is the current token then.
    std::vector<Statement> body(Names ends)
    {
        if (++m_depth > kSyntaxDepth) {
            m_tokens.refuse("blocks are nested deeper than 64 levels");
        }
        std::vector<Statement> statements;
        while (m_tokens.current().kind != TokenKind::End) {
            Statement statement;
            const Token token = m_tokens.next();
            statement.position = token.position;
            if (token.kind == TokenKind::Data) {
                statement.text = token.text;
            } else if (token.kind == TokenKind::OutputBegin) {
                statement.kind = Kind::Output;
                statement.expression = m_expressions.tuple();
                m_tokens.expect(TokenKind::OutputEnd, "'}}'");
            } else {
                const Token name = m_tokens.current();
                if (std::find(ends.begin(), ends.end(), name.text) != ends.end()) {
                    --m_depth;
                    return statements;
                }
                m_tokens.expect(TokenKind::Name, "the name of a tag");
                tag(name, statement);
                m_tokens.expect(TokenKind::BlockEnd, "'%}'");
            }
            statements.push_back(std::move(statement));
        }
        if (ends.size() > 0) {
            m_tokens.refuse("the template ends before {% " + std::string(*(ends.end() - 1)) +
                            " %}");
        }
        --m_depth;
        return statements;
    }

    /// The rest of an opening tag, and the statements behind it.
    std::vector<Statement> block(Names ends)
    {
        m_tokens.takeOperator(":");
        m_tokens.expect(TokenKind::BlockEnd, "'%}'");
        return body(ends);
    }

    void tag(const Token& name, Statement& statement)
    {
        if (name.text == "if") {
            conditional(statement);
        } else if (name.text == "for") {
            loop(statement);
        } else if (name.text == "set") {
            assignment(statement);
        } else if (name.text == "macro") {
            macro(statement);
        } else if (name.text == "with") {
            with(statement);
        } else if (name.text == "generation") {
            statement.kind = Kind::Scope;
            statement.bodies.push_back(block({"endgeneration"}));
            m_tokens.next();
        } else if (name.text == "break" || name.text == "continue") {
            if (m_loops == 0) {
                throw SyntaxFailure(name.position, "'" + name.text + "' outside of a loop");
            }
            statement.kind = name.text == "break" ? Kind::Break : Kind::Continue;
        } else {
            throw SyntaxFailure(name.position, "the tag '" + name.text +
                                                   "' is not supported, or not in this place");
        }
    }

    void conditional(Statement& statement)
    {
        statement.kind = Kind::If;
        statement.conditions.push_back(m_expressions.tuple(false));
        statement.bodies.push_back(block({"elif", "else", "endif"}));
        while (m_tokens.takeName("elif")) {
            statement.conditions.push_back(m_expressions.tuple(false));
            statement.bodies.push_back(block({"elif", "else", "endif"}));
        }
        if (m_tokens.takeName("else")) {
            statement.bodies.push_back(block({"endif"}));
        }
        m_tokens.next();
    }

    void loop(Statement& statement)
    {
        statement.kind = Kind::For;
        statement.target = target(false);
        if (!m_tokens.takeName("in")) {
            m_tokens.refuse("expected 'in', not " + m_tokens.current().shown());
        }
        statement.expression = m_expressions.tuple(false);
        if (m_tokens.takeName("if")) {
            statement.conditions.push_back(m_expressions.expression());
        }
        if (m_tokens.isName("recursive")) {
            m_tokens.refuse("recursive loops are not supported");
        }
        ++m_loops;
        statement.bodies.push_back(block({"else", "endfor"}));
        --m_loops;
        if (m_tokens.takeName("else")) {
            statement.bodies.push_back(block({"endfor"}));
        }
        m_tokens.next();
    }

    void assignment(Statement& statement)
    {
        statement.target = target(true);
        if (m_tokens.takeOperator("=")) {
            statement.kind = Kind::Set;
            statement.expression = m_expressions.tuple();
            return;
        }
        statement.kind = Kind::SetBlock;
        statement.expression = m_expressions.filters(nullptr);
        const int loops = std::exchange(m_loops, 0);
        statement.bodies.push_back(block({"endset"}));
        m_loops = loops;
        m_tokens.next();
    }

    void macro(Statement& statement)
    {
        statement.kind = Kind::Macro;
        statement.text = m_tokens.expect(TokenKind::Name, "the name of a macro").text;
        m_tokens.expectOperator("(");
        while (!m_tokens.takeOperator(")")) {
            statement.parameters.push_back(
                m_tokens.expect(TokenKind::Name, "the name of a parameter").text);
            const bool hasDefault = m_tokens.takeOperator("=");
            if (!hasDefault && !statement.conditions.empty() && statement.conditions.back()) {
                m_tokens.refuse("a parameter without a default follows one with a default");
            }
            statement.conditions.push_back(hasDefault ? m_expressions.expression() : nullptr);
            if (!m_tokens.isOperator(")")) {
                m_tokens.expectOperator(",");
            }
        }
        const int loops = std::exchange(m_loops, 0);
        statement.bodies.push_back(block({"endmacro"}));
        m_loops = loops;
        m_tokens.next();
    }

    void with(Statement& statement)
    {
        statement.kind = Kind::With;
        while (m_tokens.current().kind == TokenKind::Name) {
            statement.parameters.push_back(m_tokens.next().text);
            m_tokens.expectOperator("=");
            statement.conditions.push_back(m_expressions.expression());
            if (m_tokens.current().kind != TokenKind::BlockEnd) {
                m_tokens.expectOperator(",");
            }
        }
        statement.bodies.push_back(block({"endwith"}));
        m_tokens.next();
    }

    /// "a", "a, b", "(a, b)"; `mayBeAttribute`: "a.b"
    Target target(bool mayBeAttribute)
    {
        Target result;
        const bool hasBrackets = m_tokens.takeOperator("(");
        do {
            const Token name = m_tokens.expect(TokenKind::Name, "a name to assign to");
            for (const std::string_view word : {"true", "false", "none", "True", "False", "None",
                                                "not", "and", "or", "in", "is", "if", "else"}) {
                if (name.text == word) {
                    throw SyntaxFailure(name.position, "cannot assign to '" + name.text + "'");
                }
            }
            result.names.push_back(name.text);
            if (m_tokens.isOperator(",")) {
                result.isTuple = true;
            }
        } while (m_tokens.takeOperator(",") && m_tokens.current().kind == TokenKind::Name &&
                 !m_tokens.isName("in"));
        if (hasBrackets) {
            m_tokens.expectOperator(")");
        } else if (mayBeAttribute && !result.isTuple && m_tokens.takeOperator(".")) {
            result.attribute = m_tokens.expect(TokenKind::Name, "the name of an attribute").text;
        }
        return result;
    }

    TokenStream m_tokens;
    ExpressionParser m_expressions;
    int m_depth = 0;
    int m_loops = 0; ///< around the current statement, in the same function
};

} // namespace

std::vector<Statement> parseTemplate(std::string_view source)
{
    return Parser(tokenize(source)).run();
}

} // namespace longlora::jinja
