// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/arguments.h"
#include "core/spec/text/template/budget.h"
#include "core/spec/text/template/syntax.h"

#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace longlora::jinja {

/// What the template itself asked to report, by raise_exception().
class Raised : public Failure {
public:
    using Failure::Failure;
};

/// Evaluates one template once.
class Interpreter {
public:
    /// `now`: what strftime_now() writes; without it there is no such function.
    explicit Interpreter(std::optional<std::tm> now);

    /// The text that the template writes. Throws: Failure; position() is its place.
    std::string run(const std::vector<Statement>& statements, const Dict& variables);
    const Position& position() const { return m_position; }

    // For functions, methods, filters and tests:
    Budget& budget() { return m_budget; }
    const std::optional<std::tm>& now() const { return m_now; }
    Value call(const Value& callee, const Arguments& arguments);

private:
    enum class Flow { Normal, Break, Continue };
    struct Scope {
        std::map<std::string, Value, std::less<>> variables;
        const Scope* outer = nullptr;
    };
    class Inner;
    class Depth;

    Flow execute(const std::vector<Statement>& statements);
    Flow execute(const Statement& statement);
    Flow executeIf(const Statement& statement);
    Flow executeFor(const Statement& statement);
    std::vector<Value> loopItems(const Statement& statement);
    void executeSetBlock(const Statement& statement);
    void executeWith(const Statement& statement);
    void assign(const Target& target, const Value& value);
    void write(std::string_view text);
    std::string captured(const std::vector<Statement>& statements);
    Value callMacro(const Statement& macro, const Arguments& arguments);

    Value evaluate(const Expression& expression);
    Value evaluateKind(const Expression& expression);
    Value evaluateName(const std::string& name) const;
    Value evaluateDict(const Expression& expression);
    Value evaluateSlice(const Expression& expression);
    Value evaluateCompare(const Expression& expression);
    Value evaluateCall(const Expression& expression);
    Value evaluateFilter(const Expression& expression, const Value* subject);
    Value concatenated(const Expression& expression);
    std::vector<Value> evaluateAll(const std::vector<ExpressionPointer>& expressions);
    Arguments argumentsOf(const Expression& expression);

    std::optional<std::tm> m_now;
    Budget m_budget;
    Scope m_root;
    Scope* m_scope = &m_root;
    std::string* m_out = nullptr;
    int m_depth = 0;
    Position m_position;
};

} // namespace longlora::jinja
