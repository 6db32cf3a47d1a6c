// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/library.h"
#include "core/spec/text/template/operators.h"
#include "core/spec/text/template/text_form.h"
#include "core/spec/text/template/unicode_text.h"

#include <algorithm>

namespace longlora::jinja {

namespace {

using Items = std::vector<Value>;

Value listOf(Items items)
{
    return Value(List{std::move(items), false});
}

/// Texts compare without case unless they are to be compared with it.
Value sortKey(const Value& item, const Value* attribute, bool withCase)
{
    const bool hasAttribute = attribute != nullptr && !attribute->isNone();
    Value key = hasAttribute ? valueAt(item, *attribute) : item;
    return key.isString() && !withCase ? Value(inCase(*key.string(), LetterCase::Lower)) : key;
}

/// Indices in the order of their keys, equal ones as they came. Also counts the comparisons.
std::vector<std::size_t> sortedOrder(const Items& keys, bool reverse, Budget& budget)
{
    std::vector<std::size_t> order(keys.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
        const int difference = compared(keys[left], keys[right], budget);
        return reverse ? difference > 0 : difference < 0;
    });
    return order;
}

Value sorted(const Value& value, const Arguments& arguments, Budget& budget)
{
    const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
    const Items items = itemsOf(value, budget);
    Items keys;
    for (const Value& item : items) {
        keys.push_back(sortKey(item, bound.find(2), bound.flag(1)));
    }
    Items result;
    for (const std::size_t i : sortedOrder(keys, bound.flag(0), budget)) {
        result.push_back(items[i]);
    }
    return listOf(std::move(result));
}

Value sortedDict(const Value& value, const Arguments& arguments, Budget& budget)
{
    const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
    const std::string by = bound.find(1) == nullptr ? "key" : requireText(bound[1], "'by'");
    if (value.dict() == nullptr || (by != "key" && by != "value")) {
        requireDefined(value);
        throw Failure("'dictsort' sorts a dict by 'key' or 'value'");
    }
    Items pairs;
    Items keys;
    for (const auto& [key, entry] : value.dict()->entries) {
        pairs.push_back(Value(List{{Value(key), entry}, true}));
        keys.push_back(sortKey(by == "key" ? Value(key) : entry, nullptr, bound.flag(0)));
    }
    Items result;
    for (const std::size_t i : sortedOrder(keys, bound.flag(2), budget)) {
        result.push_back(pairs[i]);
    }
    return listOf(std::move(result));
}

Value extreme(const std::string& name, const Value& value, const Arguments& arguments,
              Budget& budget)
{
    const Bound bound(name, arguments, {"case_sensitive", "attribute"});
    const Items items = itemsOf(value, budget);
    if (items.empty()) {
        return Value(undefinedName("the '" + name + "' of nothing"));
    }
    std::size_t best = 0;
    for (std::size_t i = 1; i < items.size(); ++i) {
        const int difference = compared(sortKey(items[i], bound.find(1), bound.flag(0)),
                                        sortKey(items[best], bound.find(1), bound.flag(0)), budget);
        best = (name == "min" ? difference < 0 : difference > 0) ? i : best;
    }
    return items[best];
}

Value unique(const Value& value, const Arguments& arguments, Budget& budget)
{
    const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
    Items result;
    Items keys;
    for (const Value& item : itemsOf(value, budget)) {
        Value key = sortKey(item, bound.find(1), bound.flag(0));
        const bool isKnown = std::any_of(keys.begin(), keys.end(), [&](const Value& other) {
            return isEqual(key, other, budget);
        });
        if (!isKnown) {
            result.push_back(item);
            keys.push_back(std::move(key));
        }
    }
    return listOf(std::move(result));
}

Value sum(const Value& value, const Arguments& arguments, Budget& budget)
{
    const Bound bound("sum", arguments, {"attribute", "start"});
    const bool hasAttribute = bound.find(0) != nullptr && !bound[0].isNone();
    Value total = bound.find(1) == nullptr ? Value(std::int64_t{0}) : bound[1];
    for (const Value& item : itemsOf(value, budget)) {
        total = calculate("+", total, hasAttribute ? valueAt(item, bound[0]) : item, budget);
    }
    return total;
}

Value mapped(const Value& value, const Arguments& arguments, Interpreter& interpreter)
{
    const Items items = itemsOf(value, interpreter.budget());
    Items result;
    if (arguments.places.empty()) {
        const Bound bound("map", arguments, {"attribute", "default"}, 1);
        for (const Value& item : items) {
            Value found = valueAt(item, bound[0]);
            const bool isAbsent = found.isUndefined() && bound.find(1) != nullptr;
            result.push_back(isAbsent ? bound[1] : std::move(found));
        }
        return listOf(std::move(result));
    }
    const std::string& name = requireText(arguments.places[0], "the name of a filter");
    const Arguments rest = {{arguments.places.begin() + 1, arguments.places.end()},
                            arguments.names};
    for (const Value& item : items) {
        interpreter.budget().step();
        result.push_back(callFilter(name, item, rest, interpreter));
    }
    return listOf(std::move(result));
}

/// select, reject, selectattr, rejectattr
Value selected(const std::string& name, const Value& value, const Arguments& arguments,
               Interpreter& interpreter)
{
    const bool hasAttribute = name.ends_with("attr");
    const bool wanted = name.starts_with("select");
    const std::size_t used = hasAttribute ? 1 : 0;
    if (arguments.places.size() < used) {
        throw Failure("'" + name + "' needs the name of an attribute");
    }
    const bool hasTest = arguments.places.size() > used;
    Arguments rest = {{}, arguments.names};
    if (hasTest) {
        rest.places.assign(arguments.places.begin() + static_cast<std::ptrdiff_t>(used) + 1,
                           arguments.places.end());
    }
    Items result;
    for (Value& item : itemsOf(value, interpreter.budget())) {
        interpreter.budget().step();
        const Value looked = hasAttribute ? valueAt(item, arguments.places[0]) : item;
        const bool holds = hasTest
                               ? callTest(requireText(arguments.places[used], "the name of a test"),
                                          looked, rest, interpreter)
                               : looked.isTrue();
        if (holds == wanted) {
            result.push_back(std::move(item));
        }
    }
    return listOf(std::move(result));
}

Value reversed(const Value& value, const Arguments& arguments, Budget& budget)
{
    const Bound bound("reverse", arguments, {});
    Items items = itemsOf(value, budget);
    std::reverse(items.begin(), items.end());
    if (!value.isString()) {
        return listOf(std::move(items));
    }
    std::string text;
    for (const Value& item : items) {
        text += *item.string();
    }
    return Value(std::move(text));
}

} // namespace

Value callListFilter(const std::string& name, const Value& subject, const Arguments& arguments,
                     Interpreter& interpreter)
{
    Budget& budget = interpreter.budget();
    if (name == "first" || name == "last") {
        const Bound bound(name, arguments, {});
        const Items items = itemsOf(subject, budget);
        return items.empty()     ? Value(undefinedName("the '" + name + "' of nothing"))
               : name == "first" ? items.front()
                                 : items.back();
    }
    if (name == "list") {
        const Bound bound(name, arguments, {});
        return listOf(itemsOf(subject, budget));
    }
    if (name == "items") {
        if (subject.isUndefined()) {
            return listOf({});
        }
        if (subject.dict() == nullptr) {
            throw Failure(std::string("'items' needs a dict, not ") + subject.typeName());
        }
        return callMethod(subject, name, arguments, interpreter);
    }
    if (name == "map") {
        return mapped(subject, arguments, interpreter);
    }
    if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr") {
        return selected(name, subject, arguments, interpreter);
    }
    if (name == "sort") {
        return sorted(subject, arguments, budget);
    }
    if (name == "dictsort") {
        return sortedDict(subject, arguments, budget);
    }
    if (name == "min" || name == "max") {
        return extreme(name, subject, arguments, budget);
    }
    if (name == "unique") {
        return unique(subject, arguments, budget);
    }
    if (name == "sum") {
        return sum(subject, arguments, budget);
    }
    if (name == "reverse") {
        return reversed(subject, arguments, budget);
    }
    throw Failure("there is no filter '" + name + "'");
}

} // namespace longlora::jinja
