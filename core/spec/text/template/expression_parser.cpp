// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/expression_parser.h"

#include "core/spec/text/template/budget.h"

#include <algorithm>
#include <array>

namespace longlora::jinja {

using Kind = ExpressionKind;

/// Bounds the recursion of the parser.
class ExpressionParser::Nesting {
public:
    explicit Nesting(ExpressionParser& parser)
        : m_parser(parser)
    {
        if (++m_parser.m_depth > kSyntaxDepth) {
            m_parser.m_tokens.refuse("expressions are nested deeper than 64 levels");
        }
    }
    ~Nesting() { --m_parser.m_depth; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

private:
    ExpressionParser& m_parser;
};

ExpressionPointer ExpressionParser::make(Kind kind, const Position& position, std::string text,
                                         Children children, std::vector<std::string> names) const
{
    auto expression = std::make_unique<Expression>();
    expression->kind = kind;
    expression->position = position;
    expression->text = std::move(text);
    for (const ExpressionPointer& child : children) {
        expression->depth = std::max(expression->depth, child ? child->depth + 1 : 1);
    }
    if (expression->depth > kTreeDepth) {
        throw SyntaxFailure(position, "an expression has more than 200 operators in a row");
    }
    expression->children = std::move(children);
    expression->names = std::move(names);
    return expression;
}

namespace {

template <class... Pointers>
std::vector<ExpressionPointer> childrenOf(Pointers... pointers)
{
    std::vector<ExpressionPointer> children;
    (children.push_back(std::move(pointers)), ...);
    return children;
}

} // namespace

ExpressionPointer ExpressionParser::expression(bool mayBeConditional)
{
    const Nesting nesting(*this);
    ExpressionPointer result = either();
    while (mayBeConditional && m_tokens.isName("if")) {
        const Position position = m_tokens.next().position;
        ExpressionPointer condition = either();
        ExpressionPointer otherwise = m_tokens.takeName("else") ? expression() : nullptr;
        result = make(Kind::Conditional, position, "",
                      childrenOf(std::move(result), std::move(condition), std::move(otherwise)));
    }
    return result;
}

ExpressionPointer ExpressionParser::tuple(bool mayBeConditional)
{
    const Position position = m_tokens.current().position;
    Children items;
    items.push_back(expression(mayBeConditional));
    if (!m_tokens.isOperator(",")) {
        return std::move(items[0]);
    }
    while (m_tokens.takeOperator(",")) {
        const TokenKind kind = m_tokens.current().kind;
        if (kind == TokenKind::OutputEnd || kind == TokenKind::BlockEnd ||
            m_tokens.isOperator(")")) {
            break;
        }
        items.push_back(expression(mayBeConditional));
    }
    return make(Kind::Tuple, position, "", std::move(items));
}

ExpressionPointer ExpressionParser::either()
{
    ExpressionPointer left = both();
    while (m_tokens.isName("or")) {
        const Position position = m_tokens.next().position;
        left = make(Kind::Or, position, "", childrenOf(std::move(left), both()));
    }
    return left;
}

ExpressionPointer ExpressionParser::both()
{
    ExpressionPointer left = negation();
    while (m_tokens.isName("and")) {
        const Position position = m_tokens.next().position;
        left = make(Kind::And, position, "", childrenOf(std::move(left), negation()));
    }
    return left;
}

ExpressionPointer ExpressionParser::negation()
{
    if (!m_tokens.isName("not")) {
        return comparison();
    }
    const Nesting nesting(*this);
    const Position position = m_tokens.next().position;
    return make(Kind::Not, position, "", childrenOf(negation()));
}

ExpressionPointer ExpressionParser::comparison()
{
    constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
    const Position position = m_tokens.current().position;
    Children operands;
    operands.push_back(sum());
    std::vector<std::string> operators;
    for (;;) {
        const Token& token = m_tokens.current();
        if (token.kind == TokenKind::Operator &&
            std::find(kOperators.begin(), kOperators.end(), token.text) != kOperators.end()) {
            operators.push_back(m_tokens.next().text);
        } else if (m_tokens.takeName("in")) {
            operators.emplace_back("in");
        } else if (m_tokens.isName("not") && m_tokens.following().is(TokenKind::Name, "in")) {
            m_tokens.next();
            m_tokens.next();
            operators.emplace_back("not in");
        } else {
            break;
        }
        operands.push_back(sum());
    }
    if (operators.empty()) {
        return std::move(operands[0]);
    }
    return make(Kind::Compare, position, "", std::move(operands), std::move(operators));
}

ExpressionPointer ExpressionParser::sum()
{
    ExpressionPointer left = concatenation();
    while (m_tokens.isOperator("+") || m_tokens.isOperator("-")) {
        const Token token = m_tokens.next();
        left = make(Kind::Arithmetic, token.position, token.text,
                    childrenOf(std::move(left), concatenation()));
    }
    return left;
}

ExpressionPointer ExpressionParser::concatenation()
{
    const Position position = m_tokens.current().position;
    Children parts;
    parts.push_back(product());
    while (m_tokens.takeOperator("~")) {
        parts.push_back(product());
    }
    return parts.size() == 1 ? std::move(parts[0])
                             : make(Kind::Concatenate, position, "", std::move(parts));
}

ExpressionPointer ExpressionParser::product()
{
    ExpressionPointer left = power();
    while (m_tokens.isOperator("*") || m_tokens.isOperator("/") || m_tokens.isOperator("//") ||
           m_tokens.isOperator("%")) {
        const Token token = m_tokens.next();
        left = make(Kind::Arithmetic, token.position, token.text,
                    childrenOf(std::move(left), power()));
    }
    return left;
}

ExpressionPointer ExpressionParser::power()
{
    ExpressionPointer left = unary(true);
    while (m_tokens.isOperator("**")) {
        const Token token = m_tokens.next();
        left = make(Kind::Arithmetic, token.position, token.text,
                    childrenOf(std::move(left), unary(true)));
    }
    return left;
}

ExpressionPointer ExpressionParser::unary(bool withFilters)
{
    ExpressionPointer result;
    if (m_tokens.isOperator("-") || m_tokens.isOperator("+")) {
        const Nesting nesting(*this);
        const Token token = m_tokens.next();
        result = make(token.text == "-" ? Kind::Negative : Kind::Positive, token.position, "",
                      childrenOf(unary(false)));
    } else {
        result = primary();
    }
    result = postfixes(std::move(result));
    return withFilters ? postfilters(std::move(result)) : std::move(result);
}

ExpressionPointer ExpressionParser::primary()
{
    const Token& token = m_tokens.current();
    auto constant = std::make_unique<Expression>();
    constant->position = token.position;
    if (token.kind == TokenKind::String) {
        std::string text;
        while (m_tokens.current().kind == TokenKind::String) { // side by side they are one
            text += m_tokens.next().text;
        }
        constant->value = Value(std::move(text));
        return constant;
    }
    if (token.kind == TokenKind::Number) {
        constant->value = m_tokens.next().value;
        return constant;
    }
    if (token.kind == TokenKind::Name) {
        const Token name = m_tokens.next();
        if (name.text == "true" || name.text == "True" || name.text == "false" ||
            name.text == "False") {
            constant->value = Value(name.text == "true" || name.text == "True");
            return constant;
        }
        if (name.text == "none" || name.text == "None") {
            return constant;
        }
        return make(Kind::Name, name.position, name.text, {});
    }
    return brackets();
}

/// ( ), [ ] or { }
ExpressionPointer ExpressionParser::brackets()
{
    const Position position = m_tokens.current().position;
    Children items;
    if (m_tokens.takeOperator("(")) {
        if (m_tokens.takeOperator(")")) {
            return make(Kind::Tuple, position, "", {});
        }
        ExpressionPointer inner = tuple();
        m_tokens.expectOperator(")");
        return inner;
    }
    if (m_tokens.takeOperator("[")) {
        while (!m_tokens.takeOperator("]")) {
            items.push_back(expression());
            if (!m_tokens.isOperator("]")) {
                m_tokens.expectOperator(",");
            }
        }
        return make(Kind::List, position, "", std::move(items));
    }
    if (!m_tokens.takeOperator("{")) {
        m_tokens.refuse("expected an expression, not " + m_tokens.current().shown());
    }
    while (!m_tokens.takeOperator("}")) {
        items.push_back(expression());
        m_tokens.expectOperator(":");
        items.push_back(expression());
        if (!m_tokens.isOperator("}")) {
            m_tokens.expectOperator(",");
        }
    }
    return make(Kind::Dict, position, "", std::move(items));
}

ExpressionPointer ExpressionParser::postfixes(ExpressionPointer subject)
{
    for (;;) {
        const Position position = m_tokens.current().position;
        if (m_tokens.takeOperator(".")) {
            const Token name = m_tokens.next();
            if (name.kind == TokenKind::Number && name.value.integer() != nullptr) {
                auto index = std::make_unique<Expression>();
                index->position = name.position;
                index->value = name.value;
                subject = make(Kind::Item, position, "",
                               childrenOf(std::move(subject), ExpressionPointer(std::move(index))));
            } else if (name.kind == TokenKind::Name) {
                subject =
                    make(Kind::Attribute, position, name.text, childrenOf(std::move(subject)));
            } else {
                throw SyntaxFailure(name.position, "expected a name, not " + name.shown());
            }
        } else if (m_tokens.takeOperator("[")) {
            subject = subscript(std::move(subject));
        } else if (m_tokens.isOperator("(")) {
            subject = call(Kind::Call, position, "", std::move(subject));
        } else {
            return subject;
        }
    }
}

/// After the bracket: [a], [a:b:c]
ExpressionPointer ExpressionParser::subscript(ExpressionPointer subject)
{
    const Position position = m_tokens.current().position;
    Children parts;
    bool isSlice = false;
    for (std::size_t i = 0; i < 3; ++i) {
        const bool isEmpty = m_tokens.isOperator(":") || m_tokens.isOperator("]");
        if (isEmpty && i == 0 && m_tokens.isOperator("]")) {
            m_tokens.refuse("expected an expression, not ']'");
        }
        parts.push_back(isEmpty ? nullptr : expression());
        if (i == 2 || !m_tokens.takeOperator(":")) {
            break;
        }
        isSlice = true;
    }
    m_tokens.expectOperator("]");
    if (!isSlice) {
        return make(Kind::Item, position, "", childrenOf(std::move(subject), std::move(parts[0])));
    }
    parts.resize(3);
    parts.insert(parts.begin(), std::move(subject));
    return make(Kind::Slice, position, "", std::move(parts));
}

/// The arguments in brackets, if there are any.
ExpressionPointer ExpressionParser::call(Kind kind, const Position& position, std::string text,
                                         ExpressionPointer subject)
{
    Children children;
    children.push_back(std::move(subject));
    std::vector<std::string> names;
    if (m_tokens.takeOperator("(")) {
        while (!m_tokens.takeOperator(")")) {
            if (m_tokens.isOperator("*") || m_tokens.isOperator("**")) {
                m_tokens.refuse("arguments of unknown number are not supported");
            }
            std::string name;
            if (m_tokens.current().kind == TokenKind::Name &&
                m_tokens.following().is(TokenKind::Operator, "=")) {
                name = m_tokens.next().text;
                m_tokens.next();
            } else if (!names.empty() && !names.back().empty()) {
                m_tokens.refuse("an argument without a name follows one with a name");
            }
            names.push_back(std::move(name));
            children.push_back(expression());
            if (!m_tokens.isOperator(")")) {
                m_tokens.expectOperator(",");
            }
        }
    }
    return make(kind, position, std::move(text), std::move(children), std::move(names));
}

ExpressionPointer ExpressionParser::filters(ExpressionPointer subject)
{
    while (m_tokens.takeOperator("|")) {
        const Token name = m_tokens.expect(TokenKind::Name, "the name of a filter");
        subject = call(Kind::Filter, name.position, name.text, std::move(subject));
    }
    return subject;
}

ExpressionPointer ExpressionParser::postfilters(ExpressionPointer subject)
{
    for (;;) {
        if (m_tokens.isOperator("|")) {
            subject = filters(std::move(subject));
        } else if (m_tokens.isName("is")) {
            subject = test(std::move(subject));
        } else if (m_tokens.isOperator("(")) {
            subject = call(Kind::Call, m_tokens.current().position, "", std::move(subject));
        } else {
            return subject;
        }
    }
}

ExpressionPointer ExpressionParser::test(ExpressionPointer subject)
{
    const Position position = m_tokens.next().position;
    const bool isNegated = m_tokens.takeName("not");
    const Token name = m_tokens.expect(TokenKind::Name, "the name of a test");
    ExpressionPointer result;
    const TokenKind kind = m_tokens.current().kind;
    const bool isName = kind == TokenKind::Name && !m_tokens.isName("else") &&
                        !m_tokens.isName("or") && !m_tokens.isName("and");
    if (m_tokens.isName("is")) {
        m_tokens.refuse("one test after another needs brackets");
    }
    if (isName || kind == TokenKind::String || kind == TokenKind::Number ||
        m_tokens.isOperator("[") || m_tokens.isOperator("{")) {
        const Nesting nesting(*this);
        ExpressionPointer argument = postfixes(primary());
        result = make(Kind::Test, position, name.text,
                      childrenOf(std::move(subject), std::move(argument)), {""});
    } else {
        result = call(Kind::Test, position, name.text, std::move(subject));
    }
    return isNegated ? make(Kind::Not, position, "", childrenOf(std::move(result)))
                     : std::move(result);
}

} // namespace longlora::jinja
