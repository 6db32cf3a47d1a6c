// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/library.h"
#include "core/spec/text/template/operators.h"
#include "core/spec/text/template/text_form.h"
#include "core/spec/text/template/unicode_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace longlora::jinja {

namespace {

using Filter = Value (*)(const Value&, const Arguments&, Interpreter&);

Value lengthOf(const Value& value, const Arguments& arguments, Interpreter&)
{
    const Bound bound("length", arguments, {});
    if (const std::string* text = value.string()) {
        return Value(static_cast<std::int64_t>(characterCount(*text)));
    }
    if (const List* list = value.list()) {
        return Value(static_cast<std::int64_t>(list->items.size()));
    }
    if (const Dict* dict = value.dict()) {
        return Value(static_cast<std::int64_t>(dict->entries.size()));
    }
    if (!value.isUndefined()) {
        throw Failure(std::string("a ") + value.typeName() + " has no length");
    }
    return Value(std::int64_t{0});
}

Value defaultOf(const Value& value, const Arguments& arguments, Interpreter&)
{
    const Bound bound("default", arguments, {"default_value", "boolean"});
    const bool isAbsent = value.isUndefined() || (bound.flag(1) && !value.isTrue());
    return !isAbsent ? value : bound.find(0) != nullptr ? bound[0] : Value("");
}

Value trimmed(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Bound bound("trim", arguments, {"chars"});
    return callMethod(Value(textOf(value, interpreter.budget())), "strip", arguments, interpreter);
}

template <LetterCase letterCase>
Value changedCase(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Bound bound("the filter", arguments, {});
    const std::string text = textOf(value, interpreter.budget());
    interpreter.budget().make(text.size());
    return Value(inCase(text, letterCase));
}

/// Words begin at the beginning and behind spaces, dashes and opening brackets.
Value titled(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Bound bound("title", arguments, {});
    const std::string source = textOf(value, interpreter.budget());
    interpreter.budget().make(source.size());
    std::string text;
    bool beginsWord = true;
    for (const std::string_view character : charactersOf(source)) {
        text += inCase(character, beginsWord ? LetterCase::Upper : LetterCase::Lower);
        beginsWord = strippedLeft(character).empty() ||
                     std::string_view("-({[<").find(character) != std::string_view::npos;
    }
    return Value(std::move(text));
}

Value capitalizedText(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Bound bound("capitalize", arguments, {});
    return Value(capitalized(textOf(value, interpreter.budget())));
}

Value stringOf(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Bound bound("string", arguments, {});
    return Value(textOf(value, interpreter.budget()));
}

Value unchanged(const Value& value, const Arguments& arguments, Interpreter&)
{
    const Bound bound("safe", arguments, {});
    return value;
}

Value joinedText(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    Budget& budget = interpreter.budget();
    const Bound bound("join", arguments, {"d", "attribute"});
    const std::string separator = bound.find(0) == nullptr ? "" : textOf(bound[0], budget);
    const bool hasAttribute = bound.find(1) != nullptr && !bound[1].isNone();
    std::string text;
    bool isFirst = true;
    for (const Value& item : itemsOf(value, budget)) {
        const std::string part = textOf(hasAttribute ? valueAt(item, bound[1]) : item, budget);
        budget.make(separator.size() + part.size());
        text += isFirst ? "" : separator;
        text += part;
        isFirst = false;
    }
    budget.make(text.size());
    return Value(std::move(text));
}

Value replacedText(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    Budget& budget = interpreter.budget();
    const Bound bound("replace", arguments, {"old", "new", "count"}, 2);
    const std::string text = textOf(value, budget);
    const std::string old = textOf(bound[0], budget);
    const std::string replacement = textOf(bound[1], budget);
    const bool isCounted = bound.find(2) != nullptr && !bound[2].isNone();
    const std::int64_t most =
        isCounted ? requireInteger(bound[2], "the number of replacements") : std::int64_t{-1};
    if (old.empty()) {
        throw Failure("replacing the empty text is not supported");
    }
    std::string result;
    bool isFirst = true;
    for (const std::string_view part : splitAt(text, old, most)) {
        budget.make(part.size() + replacement.size());
        result += isFirst ? "" : replacement;
        result += part;
        isFirst = false;
    }
    budget.make(result.size());
    return Value(std::move(result));
}

Value indented(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    Budget& budget = interpreter.budget();
    const Bound bound("indent", arguments, {"width", "first", "blank"});
    std::string indent(4, ' ');
    if (bound.find(0) != nullptr) {
        const bool isText = bound[0].isString();
        const std::int64_t width =
            isText ? 0 : std::clamp<std::int64_t>(requireInteger(bound[0], "the width"), 0, 1000);
        indent = isText ? *bound[0].string() : std::string(static_cast<std::size_t>(width), ' ');
    }
    std::string text;
    bool isFirst = true;
    const std::string source = requireText(value, "what is indented") + '\n';
    for (const std::string_view line : splitLines(source)) {
        const bool hasIndent = isFirst ? bound.flag(1) : bound.flag(2) || !line.empty();
        budget.make(line.size() + indent.size() + 1);
        text += isFirst ? "" : "\n";
        text += hasIndent ? indent : "";
        text += line;
        isFirst = false;
    }
    return Value(std::move(text));
}

Value integerOf(const Value& value, const Arguments& arguments, Interpreter&)
{
    const Bound bound("int", arguments, {"default"});
    const Value absent = bound.find(0) == nullptr ? Value(std::int64_t{0}) : bound[0];
    const auto truncated = [&](double number) {
        constexpr double kLimit = 9.2e18;
        return std::abs(number) < kLimit ? Value(static_cast<std::int64_t>(number)) : absent;
    };
    if (const std::string* text = value.string()) {
        const std::string_view digits = strippedRight(strippedLeft(*text));
        const char* const end = digits.data() + digits.size();
        const char* const begin = digits.data() + (digits.starts_with('+') ? 1 : 0);
        std::int64_t integer = 0;
        double number = 0;
        if (const auto [stop, error] = std::from_chars(begin, end, integer);
            error == std::errc() && stop == end) {
            return Value(integer);
        }
        const auto [stop, error] = std::from_chars(begin, end, number);
        return error == std::errc() && stop == end ? truncated(number) : absent;
    }
    if (value.number() != nullptr) {
        return truncated(*value.number());
    }
    requireDefined(value);
    return value.isNumber() ? Value(requireInteger(value, "a number")) : absent;
}

Value floatOf(const Value& value, const Arguments& arguments, Interpreter&)
{
    const Bound bound("float", arguments, {"default"});
    const Value absent = bound.find(0) == nullptr ? Value(0.0) : bound[0];
    if (const std::string* text = value.string()) {
        const std::string_view digits = strippedRight(strippedLeft(*text));
        const char* const end = digits.data() + digits.size();
        double number = 0;
        const auto [stop, error] =
            std::from_chars(digits.data() + (digits.starts_with('+') ? 1 : 0), end, number);
        return error == std::errc() && stop == end ? Value(number) : absent;
    }
    requireDefined(value);
    return value.number() != nullptr ? value
           : value.isNumber()        ? Value(static_cast<double>(requireInteger(value, "a number")))
                                     : absent;
}

Value absolute(const Value& value, const Arguments& arguments, Interpreter&)
{
    const Bound bound("abs", arguments, {});
    if (const double* number = value.number()) {
        return Value(std::abs(*number));
    }
    const std::int64_t integer = requireInteger(value, "what 'abs' is taken of");
    return integer < 0 ? negative(value) : Value(integer);
}

Value rounded(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Bound bound("round", arguments, {"precision", "method"});
    const std::string method =
        bound.find(1) == nullptr ? "common" : requireText(bound[1], "method");
    const std::int64_t places =
        bound.find(0) == nullptr ? 0 : requireInteger(bound[0], "the precision");
    const double number = *floatOf(value, {}, interpreter).number();
    if (!value.isNumber() || places != 0 ||
        (method != "common" && method != "ceil" && method != "floor")) {
        throw Failure("'round' is supported for whole numbers as the result only");
    }
    return Value(method == "ceil"    ? std::ceil(number)
                 : method == "floor" ? std::floor(number)
                                     : std::nearbyint(number)); // half to even
}

Value jsonText(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
    JsonForm form;
    form.ensureAscii = bound.flag(0);
    form.sortsKeys = bound.flag(3);
    if (bound.find(1) != nullptr && !bound[1].isNone()) {
        constexpr std::int64_t kLargestIndent = 100;
        form.indent = requireInteger(bound[1], "the indent");
        form.itemSeparator = ",";
        if (*form.indent > kLargestIndent) {
            throw Failure("the indent is larger than 100");
        }
    }
    if (bound.find(2) != nullptr && !bound[2].isNone()) {
        const List* separators = bound[2].list();
        if (separators == nullptr || separators->items.size() != 2) {
            throw Failure("the separators must be two texts");
        }
        form.itemSeparator = requireText(separators->items[0], "a separator");
        form.keySeparator = requireText(separators->items[1], "a separator");
    }
    return Value(jsonOf(value, form, interpreter.budget()));
}

} // namespace

Value valueAt(const Value& value, const Value& path)
{
    if (!path.isString()) {
        return itemOf(value, path);
    }
    Value found = value;
    for (const std::string_view part : splitAt(*path.string(), ".", -1)) {
        std::int64_t place = 0;
        const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), place);
        const bool isPlace = error == std::errc() && stop == part.data() + part.size();
        found = itemOf(found, isPlace ? Value(place) : Value(std::string(part)));
    }
    return found;
}

Value callFilter(const std::string& name, const Value& subject, const Arguments& arguments,
                 Interpreter& interpreter)
{
    constexpr std::pair<std::string_view, Filter> kFilters[] = {
        {"abs", absolute},
        {"capitalize", capitalizedText},
        {"count", lengthOf},
        {"d", defaultOf},
        {"default", defaultOf},
        {"float", floatOf},
        {"indent", indented},
        {"int", integerOf},
        {"join", joinedText},
        {"length", lengthOf},
        {"lower", changedCase<LetterCase::Lower>},
        {"replace", replacedText},
        {"round", rounded},
        {"safe", unchanged},
        {"string", stringOf},
        {"title", titled},
        {"tojson", jsonText},
        {"trim", trimmed},
        {"upper", changedCase<LetterCase::Upper>},
    };
    for (const auto& [known, filter] : kFilters) {
        if (name == known) {
            return filter(subject, arguments, interpreter);
        }
    }
    return callListFilter(name, subject, arguments, interpreter);
}

} // namespace longlora::jinja
