// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/operators.h"

#include "core/spec/text/template/unicode_text.h"

#include <algorithm>
#include <cmath>

namespace longlora::jinja {

namespace {

/// A boolean counts as 0 or 1.
std::optional<std::int64_t> integerOf(const Value& value)
{
    if (const bool* flag = value.boolean()) {
        return *flag ? 1 : 0;
    }
    return value.integer() == nullptr ? std::nullopt : std::optional(*value.integer());
}

double numberOf(const Value& value)
{
    const std::optional<std::int64_t> integer = integerOf(value);
    return integer ? static_cast<double>(*integer) : *value.number();
}

[[noreturn]] void refuseTypes(const std::string& name, const Value& left, const Value& right)
{
    requireDefined(left);
    requireDefined(right);
    throw Failure("'" + name + "' does not work between " + left.typeName() + " and " +
                  right.typeName());
}

int signOf(double difference)
{
    return difference < 0 ? -1 : difference > 0 ? 1 : 0;
}

int comparedNumbers(const Value& left, const Value& right)
{
    const std::optional<std::int64_t> a = integerOf(left);
    const std::optional<std::int64_t> b = integerOf(right);
    return a && b ? (*a < *b ? -1 : *a > *b ? 1 : 0) : signOf(numberOf(left) - numberOf(right));
}

Value fitting(bool overflows, const std::int64_t& result)
{
    if (overflows) {
        throw Failure("a number is larger than 64 bits can hold");
    }
    return Value(result);
}

Value power(std::int64_t base, std::int64_t exponent)
{
    std::int64_t result = 1;
    bool overflows = false;
    if (base == 0 || base == 1 || base == -1) {
        exponent = exponent == 0 ? 0 : base == -1 ? 2 - exponent % 2 : 1;
    }
    for (std::int64_t i = 0; i < exponent && !overflows; ++i) {
        overflows = __builtin_mul_overflow(result, base, &result);
    }
    return fitting(overflows, result);
}

Value calculateIntegers(const std::string& name, std::int64_t a, std::int64_t b)
{
    std::int64_t result = 0;
    if (name == "+") {
        return fitting(__builtin_add_overflow(a, b, &result), result);
    }
    if (name == "-") {
        return fitting(__builtin_sub_overflow(a, b, &result), result);
    }
    if (name == "*") {
        return fitting(__builtin_mul_overflow(a, b, &result), result);
    }
    if (name == "**") {
        return b < 0 ? Value(std::pow(static_cast<double>(a), static_cast<double>(b)))
                     : power(a, b);
    }
    if (b == 0) {
        throw Failure("division by zero");
    }
    if (name == "/") {
        return Value(static_cast<double>(a) / static_cast<double>(b));
    }
    if (b == -1) { // the one division that overflows
        return name == "%" ? Value(std::int64_t{0}) : calculateIntegers("-", 0, a);
    }
    const bool rounds = a % b != 0 && (a < 0) != (b < 0); // towards minus infinity
    return name == "//" ? Value(a / b - (rounds ? 1 : 0)) : Value(a % b + (rounds ? b : 0));
}

Value calculateNumbers(const std::string& name, double a, double b)
{
    if (name == "+") {
        return Value(a + b);
    }
    if (name == "-") {
        return Value(a - b);
    }
    if (name == "*") {
        return Value(a * b);
    }
    if (name == "**") {
        return Value(std::pow(a, b));
    }
    if (b == 0) {
        throw Failure("division by zero");
    }
    if (name == "/") {
        return Value(a / b);
    }
    if (name == "//") {
        return Value(std::floor(a / b));
    }
    const double rest = std::fmod(a, b);
    return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Value repeated(const Value& value, std::int64_t count, Budget& budget)
{
    const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
    const List* list = value.list();
    const std::size_t bytes =
        list == nullptr ? value.string()->size() : list->items.size() * sizeof(Value);
    if (bytes == 0) {
        return value;
    }
    budget.make(times <= kTextBytes / bytes ? times * bytes : kTextBytes + 1);
    std::string text;
    List items = {{}, list != nullptr && list->isTuple};
    for (std::size_t i = 0; i < times; ++i) {
        if (list == nullptr) {
            text += *value.string();
        } else {
            items.items.insert(items.items.end(), list->items.begin(), list->items.end());
        }
    }
    return list == nullptr ? Value(std::move(text)) : Value(std::move(items));
}

Value joined(const List& left, const List& right, Budget& budget)
{
    budget.make((left.items.size() + right.items.size()) * sizeof(Value));
    List result = {left.items, left.isTuple};
    result.items.insert(result.items.end(), right.items.begin(), right.items.end());
    return Value(std::move(result));
}

bool contains(const Value& whole, const Value& part, Budget& budget)
{
    if (const std::string* text = whole.string()) {
        budget.step(static_cast<std::int64_t>(text->size() / 1024));
        return text->find(requireText(part, "what is looked for in a text")) != std::string::npos;
    }
    if (const Dict* dict = whole.dict()) {
        return part.isString() && dict->find(*part.string()) != nullptr;
    }
    if (whole.list() == nullptr && !whole.isUndefined()) {
        throw Failure(std::string("'in' does not work with ") + whole.typeName());
    }
    const std::vector<Value> items = itemsOf(whole, budget);
    return std::any_of(items.begin(), items.end(),
                       [&](const Value& item) { return isEqual(item, part, budget); });
}

bool areEqual(const List& left, const List& right, Budget& budget)
{
    return left.isTuple == right.isTuple && left.items.size() == right.items.size() &&
           std::equal(left.items.begin(), left.items.end(), right.items.begin(),
                      [&](const Value& a, const Value& b) { return isEqual(a, b, budget); });
}

bool areEqual(const Dict& left, const Dict& right, Budget& budget)
{
    return left.entries.size() == right.entries.size() &&
           std::all_of(left.entries.begin(), left.entries.end(), [&](const auto& entry) {
               const Value* other = right.find(entry.first);
               return other != nullptr && isEqual(entry.second, *other, budget);
           });
}

} // namespace

bool isEqual(const Value& left, const Value& right, Budget& budget)
{
    budget.step();
    if (left.isNumber() && right.isNumber()) {
        return comparedNumbers(left, right) == 0 && !std::isnan(numberOf(left)) &&
               !std::isnan(numberOf(right));
    }
    if (left.isString() && right.isString()) {
        return *left.string() == *right.string();
    }
    if (left.list() != nullptr && right.list() != nullptr) {
        return areEqual(*left.list(), *right.list(), budget);
    }
    if (left.dict() != nullptr && right.dict() != nullptr) {
        return areEqual(*left.dict(), *right.dict(), budget);
    }
    return (left.isNone() && right.isNone()) || (left.isUndefined() && right.isUndefined()) ||
           (left.space() != nullptr && left.space() == right.space()) ||
           (left.loop() != nullptr && left.loop() == right.loop());
}

int compared(const Value& left, const Value& right, Budget& budget)
{
    budget.step();
    if (left.isNumber() && right.isNumber()) {
        return comparedNumbers(left, right);
    }
    if (left.isString() && right.isString()) {
        return signOf(left.string()->compare(*right.string()));
    }
    if (left.list() != nullptr && right.list() != nullptr &&
        left.list()->isTuple == right.list()->isTuple) {
        const std::vector<Value>& a = left.list()->items;
        const std::vector<Value>& b = right.list()->items;
        for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
            if (!isEqual(a[i], b[i], budget)) {
                return compared(a[i], b[i], budget);
            }
        }
        return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
    }
    refuseTypes("<", left, right);
}

bool compare(const std::string& name, const Value& left, const Value& right, Budget& budget)
{
    if (name == "==" || name == "!=") {
        return isEqual(left, right, budget) == (name == "==");
    }
    if (name == "in" || name == "not in") {
        return contains(right, left, budget) == (name == "in");
    }
    const int order = compared(left, right, budget);
    return name == "<"    ? order < 0
           : name == "<=" ? order <= 0
           : name == ">"  ? order > 0
                          : order >= 0;
}

Value calculate(const std::string& name, const Value& left, const Value& right, Budget& budget)
{
    if (left.isNumber() && right.isNumber()) {
        const std::optional<std::int64_t> a = integerOf(left);
        const std::optional<std::int64_t> b = integerOf(right);
        return a && b ? calculateIntegers(name, *a, *b)
                      : calculateNumbers(name, numberOf(left), numberOf(right));
    }
    if (name == "+" && left.isString() && right.isString()) {
        budget.make(left.string()->size() + right.string()->size());
        return Value(*left.string() + *right.string());
    }
    if (name == "+" && left.list() != nullptr && right.list() != nullptr &&
        left.list()->isTuple == right.list()->isTuple) {
        return joined(*left.list(), *right.list(), budget);
    }
    if (name == "*") {
        const bool isLeft = left.isString() || left.list() != nullptr;
        const Value& repeatable = isLeft ? left : right;
        const std::optional<std::int64_t> count = integerOf(isLeft ? right : left);
        if (count && (repeatable.isString() || repeatable.list() != nullptr)) {
            return repeated(repeatable, *count, budget);
        }
    }
    if (name == "%" && left.isString()) {
        throw Failure("formatting a text with '%' is not supported");
    }
    refuseTypes(name, left, right);
}

Value negative(const Value& value)
{
    if (const std::optional<std::int64_t> integer = integerOf(value)) {
        return calculateIntegers("-", 0, *integer);
    }
    if (value.number() == nullptr) {
        requireDefined(value);
        throw Failure(std::string("'-' does not work with ") + value.typeName());
    }
    return Value(-*value.number());
}

std::vector<Value> itemsOf(const Value& value, Budget& budget)
{
    std::vector<Value> items;
    if (const List* list = value.list()) {
        budget.make(list->items.size() * sizeof(Value));
        items = list->items;
    } else if (const Dict* dict = value.dict()) {
        budget.make(dict->entries.size() * sizeof(Value));
        for (const auto& [key, entry] : dict->entries) {
            items.emplace_back(key);
        }
    } else if (const std::string* text = value.string()) {
        constexpr std::size_t kCharacterBytes = 64; // a value and its text
        budget.make(characterCount(*text) * kCharacterBytes);
        for (const std::string_view character : charactersOf(*text)) {
            items.emplace_back(std::string(character));
        }
    } else if (!value.isUndefined()) {
        throw Failure(std::string("cannot go through ") + value.typeName());
    }
    return items;
}

Value sliceOf(const Value& value, const Value& begin, const Value& end, const Value& step,
              Budget& budget)
{
    requireDefined(value);
    if (value.list() == nullptr && !value.isString()) {
        throw Failure(std::string("cannot take a part of ") + value.typeName());
    }
    const std::vector<Value> items = itemsOf(value, budget);
    const auto count = static_cast<std::int64_t>(items.size());
    const std::int64_t stride = step.isNone() ? 1 : requireInteger(step, "the step of a slice");
    if (stride == 0) {
        throw Failure("the step of a slice is zero");
    }
    const std::int64_t lowest = stride < 0 ? -1 : 0;
    const auto bound = [&](const Value& given, std::int64_t absent) {
        if (given.isNone()) {
            return absent;
        }
        const std::int64_t place = requireInteger(given, "the bound of a slice");
        return std::clamp(place < 0 ? place + count : place, lowest, count + lowest);
    };
    const std::int64_t first = bound(begin, stride < 0 ? count - 1 : 0);
    const std::int64_t last = bound(end, stride < 0 ? -1 : count);
    List result;
    std::string text;
    for (std::int64_t i = first; stride < 0 ? i > last : i < last;) {
        const Value& item = items[static_cast<std::size_t>(i)];
        if (value.isString()) {
            text += *item.string();
        } else {
            result.items.push_back(item);
        }
        if (__builtin_add_overflow(i, stride, &i)) {
            break;
        }
    }
    if (value.isString()) {
        return Value(std::move(text));
    }
    result.isTuple = value.list()->isTuple;
    return Value(std::move(result));
}

std::int64_t requireInteger(const Value& value, const std::string& what)
{
    const std::optional<std::int64_t> integer = integerOf(value);
    if (!integer) {
        requireDefined(value);
        throw Failure(what + " must be a whole number, not " + value.typeName());
    }
    return *integer;
}

const std::string& requireText(const Value& value, const std::string& what)
{
    if (!value.isString()) {
        requireDefined(value);
        throw Failure(what + " must be a text, not " + value.typeName());
    }
    return *value.string();
}

} // namespace longlora::jinja
