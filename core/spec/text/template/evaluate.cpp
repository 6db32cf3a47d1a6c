// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/interpreter.h"
#include "core/spec/text/template/interpreter_depth.h"
#include "core/spec/text/template/library.h"
#include "core/spec/text/template/operators.h"
#include "core/spec/text/template/text_form.h"

namespace longlora::jinja {

Value Interpreter::evaluate(const Expression& expression)
{
    const Depth depth(*this);
    m_budget.step();
    m_position = expression.position;
    return evaluateKind(expression);
}

Value Interpreter::evaluateKind(const Expression& expression)
{
    const auto child = [&](std::size_t i) { return evaluate(*expression.children[i]); };
    const auto here = [&] { m_position = expression.position; };
    switch (expression.kind) {
    case ExpressionKind::Constant:
        return expression.value;
    case ExpressionKind::Name:
        return evaluateName(expression.text);
    case ExpressionKind::List:
    case ExpressionKind::Tuple:
        m_budget.make(expression.children.size() * sizeof(Value));
        return Value(
            List{evaluateAll(expression.children), expression.kind == ExpressionKind::Tuple});
    case ExpressionKind::Dict:
        return evaluateDict(expression);
    case ExpressionKind::Attribute: {
        const Value subject = child(0);
        here();
        return attributeOf(subject, expression.text);
    }
    case ExpressionKind::Item: {
        const Value subject = child(0);
        const Value key = child(1);
        here();
        return itemOf(subject, key);
    }
    case ExpressionKind::Slice:
        return evaluateSlice(expression);
    case ExpressionKind::Call:
        return evaluateCall(expression);
    case ExpressionKind::Filter:
        return evaluateFilter(expression, nullptr);
    case ExpressionKind::Test: {
        const Value subject = child(0);
        const Arguments arguments = argumentsOf(expression);
        here();
        return Value(callTest(expression.text, subject, arguments, *this));
    }
    case ExpressionKind::Negative:
        return negative(child(0));
    case ExpressionKind::Positive: {
        Value value = child(0);
        return value.isNumber() ? value : negative(value); // which says what is wrong
    }
    case ExpressionKind::Arithmetic: {
        const Value left = child(0);
        const Value right = child(1);
        here();
        return calculate(expression.text, left, right, m_budget);
    }
    case ExpressionKind::Concatenate:
        return concatenated(expression);
    case ExpressionKind::Compare:
        return evaluateCompare(expression);
    case ExpressionKind::And: {
        Value left = child(0);
        return left.isTrue() ? child(1) : left;
    }
    case ExpressionKind::Or: {
        Value left = child(0);
        return left.isTrue() ? left : child(1);
    }
    case ExpressionKind::Not:
        return Value(!child(0).isTrue());
    case ExpressionKind::Conditional:
        if (child(1).isTrue()) {
            return child(0);
        }
        return expression.children[2] ? child(2) : Value(undefinedName("the other case"));
    }
    return {};
}

Value Interpreter::evaluateName(const std::string& name) const
{
    for (const Scope* scope = m_scope; scope != nullptr; scope = scope->outer) {
        const auto found = scope->variables.find(name);
        if (found != scope->variables.end()) {
            return found->second;
        }
    }
    return globalOf(name, *this);
}

Value Interpreter::evaluateDict(const Expression& expression)
{
    m_budget.make(expression.children.size() * sizeof(Value));
    Dict dict;
    for (std::size_t i = 0; i + 1 < expression.children.size(); i += 2) {
        const Value key = evaluate(*expression.children[i]);
        Value value = evaluate(*expression.children[i + 1]);
        m_position = expression.children[i]->position;
        dict.set(requireText(key, "the key of a dict"), std::move(value));
    }
    return Value(std::move(dict));
}

Value Interpreter::evaluateSlice(const Expression& expression)
{
    const Value subject = evaluate(*expression.children[0]);
    const auto bound = [&](std::size_t i) {
        return expression.children[i] ? evaluate(*expression.children[i]) : Value();
    };
    const Value begin = bound(1);
    const Value end = bound(2);
    const Value step = bound(3);
    m_position = expression.position;
    return sliceOf(subject, begin, end, step, m_budget);
}

/// a < b < c: each with its neighbour, as far as it is true.
Value Interpreter::evaluateCompare(const Expression& expression)
{
    Value left = evaluate(*expression.children[0]);
    for (std::size_t i = 0; i < expression.names.size(); ++i) {
        Value right = evaluate(*expression.children[i + 1]);
        m_position = expression.position;
        if (!compare(expression.names[i], left, right, m_budget)) {
            return Value(false);
        }
        left = std::move(right);
    }
    return Value(true);
}

Value Interpreter::evaluateCall(const Expression& expression)
{
    const Value callee = evaluate(*expression.children[0]);
    const Arguments arguments = argumentsOf(expression);
    m_position = expression.position;
    return call(callee, arguments);
}

/// `subject`: what a block wrote; null: child 0.
Value Interpreter::evaluateFilter(const Expression& expression, const Value* subject)
{
    const Depth depth(*this);
    const ExpressionPointer& inner = expression.children[0];
    Value value;
    if (!inner) {
        value = *subject;
    } else if (inner->kind == ExpressionKind::Filter) {
        value = evaluateFilter(*inner, subject);
    } else {
        value = evaluate(*inner);
    }
    const Arguments arguments = argumentsOf(expression);
    m_budget.step();
    m_position = expression.position;
    return callFilter(expression.text, value, arguments, *this);
}

Value Interpreter::concatenated(const Expression& expression)
{
    std::string text;
    for (const ExpressionPointer& child : expression.children) {
        text += textOf(evaluate(*child), m_budget);
        m_budget.make(text.size());
    }
    return Value(std::move(text));
}

std::vector<Value> Interpreter::evaluateAll(const std::vector<ExpressionPointer>& expressions)
{
    std::vector<Value> values;
    for (const ExpressionPointer& expression : expressions) {
        values.push_back(evaluate(*expression));
    }
    return values;
}

Arguments Interpreter::argumentsOf(const Expression& expression)
{
    Arguments arguments;
    for (std::size_t i = 0; i < expression.names.size(); ++i) {
        Value value = evaluate(*expression.children[i + 1]);
        if (expression.names[i].empty()) {
            arguments.places.push_back(std::move(value));
        } else {
            arguments.names.emplace_back(expression.names[i], std::move(value));
        }
    }
    return arguments;
}

} // namespace longlora::jinja
