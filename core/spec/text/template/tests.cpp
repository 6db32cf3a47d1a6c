// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/library.h"
#include "core/spec/text/template/operators.h"
#include "core/spec/text/template/text_form.h"
#include "core/spec/text/template/unicode_text.h"

#include <array>
#include <cmath>

namespace longlora::jinja {

namespace {

using Simple = bool (*)(const Value&);

/// Tests of the value alone.
Simple simpleTest(std::string_view name)
{
    constexpr std::pair<std::string_view, Simple> kTests[] = {
        {"defined", [](const Value& v) { return !v.isUndefined(); }},
        {"undefined", [](const Value& v) { return v.isUndefined(); }},
        {"none", [](const Value& v) { return v.isNone(); }},
        {"boolean", [](const Value& v) { return v.boolean() != nullptr; }},
        {"true", [](const Value& v) { return v.boolean() != nullptr && *v.boolean(); }},
        {"false", [](const Value& v) { return v.boolean() != nullptr && !*v.boolean(); }},
        {"integer", [](const Value& v) { return v.integer() != nullptr; }},
        {"float", [](const Value& v) { return v.number() != nullptr; }},
        {"number", [](const Value& v) { return v.isNumber(); }},
        {"string", [](const Value& v) { return v.isString(); }},
        {"mapping", [](const Value& v) { return v.dict() != nullptr; }},
        {"callable", [](const Value& v) { return v.function() != nullptr; }},
        // Undefined has a length, and can be gone through: there is nothing in it.
        {"sequence",
         [](const Value& v) {
             return v.isString() || v.list() != nullptr || v.dict() != nullptr || v.isUndefined();
         }},
        {"iterable",
         [](const Value& v) {
             return v.isString() || v.list() != nullptr || v.dict() != nullptr ||
                    v.loop() != nullptr || v.isUndefined();
         }},
    };
    for (const auto& [known, test] : kTests) {
        if (name == known) {
            return test;
        }
    }
    return nullptr;
}

/// The operator that a test of two values is; empty: none.
std::string operatorOf(std::string_view name)
{
    constexpr std::pair<std::string_view, const char*> kOperators[] = {
        {"eq", "=="}, {"equalto", "=="},    {"ne", "!="}, {"lt", "<"},  {"lessthan", "<"},
        {"le", "<="}, {"greaterthan", ">"}, {"gt", ">"},  {"ge", ">="}, {"in", "in"}};
    for (const auto& [known, symbol] : kOperators) {
        if (name == known) {
            return symbol;
        }
    }
    const bool isSymbol =
        name == "==" || name == "!=" || name == "<" || name == "<=" || name == ">" || name == ">=";
    return isSymbol ? std::string(name) : std::string();
}

bool isSame(const Value& left, const Value& right, Budget& budget)
{
    // Objects have no identity here: None and the booleans are what templates ask for.
    const bool isKnown = right.isNone() || right.boolean() != nullptr;
    if (!isKnown) {
        throw Failure("'sameas' is only supported with true, false and none");
    }
    return left.isNone() == right.isNone() &&
           (left.boolean() != nullptr) == (right.boolean() != nullptr) &&
           isEqual(left, right, budget);
}

/// Whether letters are there, and all of them in this case.
bool isInCase(const std::string& text, LetterCase letterCase)
{
    const LetterCase other =
        letterCase == LetterCase::Lower ? LetterCase::Upper : LetterCase::Lower;
    return inCase(text, letterCase) == text && inCase(text, other) != text;
}

} // namespace

bool callTest(const std::string& name, const Value& subject, const Arguments& arguments,
              Interpreter& interpreter)
{
    Budget& budget = interpreter.budget();
    if (const Simple test = simpleTest(name)) {
        const Bound bound(name, arguments, {});
        return test(subject);
    }
    if (const std::string symbol = operatorOf(name); !symbol.empty()) {
        const Bound bound(name, arguments, {"other"}, 1);
        return compare(symbol, subject, bound[0], budget);
    }
    if (name == "odd" || name == "even") {
        const Bound bound(name, arguments, {});
        return (requireInteger(subject, "an odd or even number") % 2 != 0) == (name == "odd");
    }
    if (name == "divisibleby") {
        const Bound bound(name, arguments, {"number"}, 1);
        return !calculate("%", subject, bound[0], budget).isTrue();
    }
    if (name == "sameas") {
        const Bound bound(name, arguments, {"other"}, 1);
        return isSame(subject, bound[0], budget);
    }
    if (name == "lower" || name == "upper") {
        const Bound bound(name, arguments, {});
        return isInCase(textOf(subject, budget),
                        name == "lower" ? LetterCase::Lower : LetterCase::Upper);
    }
    throw Failure("there is no test '" + name + "'");
}

} // namespace longlora::jinja
