// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/interpreter.h"

#include "core/spec/text/template/interpreter_depth.h"
#include "core/spec/text/template/library.h"
#include "core/spec/text/template/operators.h"
#include "core/spec/text/template/text_form.h"

#include <algorithm>
#include <utility>

namespace longlora::jinja {

/// Variables of their own for a block, for as long as this lives.
class Interpreter::Inner {
public:
    Inner(Interpreter& interpreter, const Scope* outer)
        : m_interpreter(interpreter)
        , m_before(interpreter.m_scope)
    {
        m_scope.outer = outer;
        interpreter.m_scope = &m_scope;
    }
    ~Inner() { m_interpreter.m_scope = m_before; }
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;

    Scope& scope() { return m_scope; }

private:
    Interpreter& m_interpreter;
    Scope* m_before;
    Scope m_scope;
};

Interpreter::Interpreter(std::optional<std::tm> now)
    : m_now(now)
{}

std::string Interpreter::run(const std::vector<Statement>& statements, const Dict& variables)
{
    for (const auto& [name, value] : variables.entries) {
        m_root.variables.emplace(name, value);
    }
    return captured(statements);
}

Interpreter::Flow Interpreter::execute(const std::vector<Statement>& statements)
{
    const Depth depth(*this);
    for (const Statement& statement : statements) {
        const Flow flow = execute(statement);
        if (flow != Flow::Normal) {
            return flow;
        }
    }
    return Flow::Normal;
}

Interpreter::Flow Interpreter::execute(const Statement& statement)
{
    m_position = statement.position;
    m_budget.step();
    switch (statement.kind) {
    case StatementKind::Text:
        write(statement.text);
        return Flow::Normal;
    case StatementKind::Output: {
        const Value value = evaluate(*statement.expression);
        m_position = statement.expression->position;
        write(textOf(value, m_budget));
        return Flow::Normal;
    }
    case StatementKind::If:
        return executeIf(statement);
    case StatementKind::For:
        return executeFor(statement);
    case StatementKind::Set:
        assign(statement.target, evaluate(*statement.expression));
        return Flow::Normal;
    case StatementKind::SetBlock:
        executeSetBlock(statement);
        return Flow::Normal;
    case StatementKind::Macro:
        m_scope->variables.insert_or_assign(statement.text,
                                            Value(Function{statement.text, {}, &statement}));
        return Flow::Normal;
    case StatementKind::With:
        executeWith(statement);
        return Flow::Normal;
    case StatementKind::Scope: {
        const Inner inner(*this, m_scope);
        return execute(statement.bodies[0]);
    }
    case StatementKind::Break:
        return Flow::Break;
    case StatementKind::Continue:
        return Flow::Continue;
    }
    return Flow::Normal;
}

Interpreter::Flow Interpreter::executeIf(const Statement& statement)
{
    const std::size_t count = statement.conditions.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (evaluate(*statement.conditions[i]).isTrue()) {
            return execute(statement.bodies[i]);
        }
    }
    return statement.bodies.size() > count ? execute(statement.bodies[count]) : Flow::Normal;
}

/// What the loop goes through, after its condition.
std::vector<Value> Interpreter::loopItems(const Statement& statement)
{
    const Value iterable = evaluate(*statement.expression);
    m_position = statement.expression->position;
    std::vector<Value> items = itemsOf(iterable, m_budget);
    if (statement.conditions.empty()) {
        return items;
    }
    std::vector<Value> kept;
    for (Value& item : items) {
        const Inner inner(*this, m_scope);
        assign(statement.target, item);
        if (evaluate(*statement.conditions[0]).isTrue()) {
            kept.push_back(std::move(item));
        }
    }
    return kept;
}

Interpreter::Flow Interpreter::executeFor(const Statement& statement)
{
    const auto loop = std::make_shared<Loop>();
    loop->items = loopItems(statement);
    if (loop->items.empty() && statement.bodies.size() > 1) {
        const Inner inner(*this, m_scope);
        return execute(statement.bodies[1]);
    }
    for (; loop->index < loop->items.size(); ++loop->index) {
        Inner inner(*this, m_scope);
        inner.scope().variables.emplace("loop", loop);
        assign(statement.target, loop->items[loop->index]);
        if (execute(statement.bodies[0]) == Flow::Break) {
            break;
        }
        m_budget.step();
    }
    return Flow::Normal;
}

void Interpreter::executeSetBlock(const Statement& statement)
{
    std::string text;
    {
        const Inner inner(*this, m_scope);
        text = captured(statement.bodies[0]);
    }
    Value value(std::move(text));
    if (statement.expression) {
        value = evaluateFilter(*statement.expression, &value);
    }
    assign(statement.target, value);
}

void Interpreter::executeWith(const Statement& statement)
{
    const std::vector<Value> values = evaluateAll(statement.conditions);
    Inner inner(*this, m_scope);
    for (std::size_t i = 0; i < values.size(); ++i) {
        inner.scope().variables.insert_or_assign(statement.parameters[i], values[i]);
    }
    execute(statement.bodies[0]);
}

void Interpreter::assign(const Target& target, const Value& value)
{
    if (!target.attribute.empty()) {
        Namespace* const space = evaluateName(target.names[0]).space();
        if (space == nullptr) {
            throw Failure("'" + target.names[0] + "' is no namespace, nothing can be set in it");
        }
        depthOf(value);
        space->attributes.set(target.attribute, value);
        return;
    }
    if (!target.isTuple) {
        m_scope->variables.insert_or_assign(target.names[0], value);
        return;
    }
    const std::vector<Value> items = itemsOf(value, m_budget);
    if (items.size() != target.names.size()) {
        requireDefined(value);
        throw Failure("cannot divide " + std::to_string(items.size()) + " values among " +
                      std::to_string(target.names.size()) + " names");
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
        m_scope->variables.insert_or_assign(target.names[i], items[i]);
    }
}

void Interpreter::write(std::string_view text)
{
    m_budget.make(text.size());
    if (m_out->size() + text.size() > kTextBytes) {
        throw Failure("the template writes more than 16 MB");
    }
    *m_out += text;
}

std::string Interpreter::captured(const std::vector<Statement>& statements)
{
    std::string text;
    std::string* const before = std::exchange(m_out, &text);
    execute(statements);
    m_out = before;
    return text;
}

Value Interpreter::callMacro(const Statement& macro, const Arguments& arguments)
{
    if (arguments.places.size() > macro.parameters.size()) {
        throw Failure("the macro '" + macro.text + "' takes at most " +
                      std::to_string(macro.parameters.size()) + " arguments");
    }
    std::map<std::string, Value, std::less<>> given;
    for (std::size_t i = 0; i < arguments.places.size(); ++i) {
        given.emplace(macro.parameters[i], arguments.places[i]);
    }
    for (const auto& [name, value] : arguments.names) {
        const bool isKnown = std::find(macro.parameters.begin(), macro.parameters.end(), name) !=
                             macro.parameters.end();
        if (!isKnown || !given.emplace(name, value).second) {
            throw Failure("the macro '" + macro.text + "' has no argument '" + name +
                          "', or it is given twice");
        }
    }
    Inner inner(*this, &m_root);
    for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
        const std::string& name = macro.parameters[i];
        const auto found = given.find(name);
        Value value = found != given.end()  ? found->second
                      : macro.conditions[i] ? evaluate(*macro.conditions[i])
                                            : Value(undefinedName(name));
        inner.scope().variables.insert_or_assign(name, std::move(value));
    }
    return Value(captured(macro.bodies[0]));
}

Value Interpreter::call(const Value& callee, const Arguments& arguments)
{
    const Function* function = callee.function();
    if (function == nullptr) {
        requireDefined(callee);
        throw Failure(std::string("a ") + callee.typeName() + " cannot be called");
    }
    if (function->macro != nullptr) {
        return callMacro(*function->macro, arguments);
    }
    return function->self ? callMethod(*function->self, function->name, arguments, *this)
                          : callGlobal(function->name, arguments, *this);
}

} // namespace longlora::jinja
