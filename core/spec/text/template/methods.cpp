// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/library.h"
#include "core/spec/text/template/operators.h"
#include "core/spec/text/template/text_form.h"
#include "core/spec/text/template/unicode_text.h"
#include "core/spec/text/utf8.h"

#include <algorithm>
#include <array>
#include <span>

namespace longlora::jinja {

namespace {

constexpr std::string_view kTextMethods[] = {
    "capitalize", "count",      "endswith",     "find",      "isdigit",      "isspace",
    "join",       "lower",      "lstrip",       "partition", "removeprefix", "replace",
    "rfind",      "rpartition", "removesuffix", "rsplit",    "rstrip",       "split",
    "splitlines", "startswith", "strip",        "title",     "upper"};
constexpr std::string_view kDictMethods[] = {"copy", "get", "items", "keys", "values"};
constexpr std::string_view kListMethods[] = {"copy", "count", "index"};
constexpr std::string_view kLoopMethods[] = {"changed", "cycle"};
// What would change a value that others see.
constexpr std::string_view kChanges[] = {"append",     "clear",  "extend",  "insert",
                                         "pop",        "remove", "reverse", "sort",
                                         "setdefault", "update", "popitem"};

bool isIn(std::span<const std::string_view> names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

Value method(const Value& self, const std::string& name)
{
    return Value(Function{name, self, nullptr});
}

/// The method of this name; None: there is none.
std::optional<Value> methodOf(const Value& self, const std::string& name)
{
    if (self.isString() && name == "format") {
        throw Failure("'format' is not supported");
    }
    const bool isContainer = self.list() != nullptr || self.dict() != nullptr;
    if ((self.isString() && isIn(kTextMethods, name)) ||
        (self.dict() != nullptr && isIn(kDictMethods, name)) ||
        (self.list() != nullptr && isIn(kListMethods, name)) ||
        (self.loop() != nullptr && isIn(kLoopMethods, name))) {
        return method(self, name);
    }
    const bool isOfDict = name == "setdefault" || name == "update" || name == "popitem";
    if (isContainer && isIn(kChanges, name) && isOfDict == (self.dict() != nullptr)) {
        throw Failure("'" + name + "' would change a " + self.typeName() +
                      ", which templates may not");
    }
    return std::nullopt;
}

Value missing(const Value& subject, const std::string& name)
{
    return Undefined{std::make_shared<const std::string>(std::string("a ") + subject.typeName() +
                                                         " has no '" + name + "'")};
}

Value loopAttribute(const Loop& loop, const std::string& name, const Value& self)
{
    const auto index = static_cast<std::int64_t>(loop.index);
    const auto count = static_cast<std::int64_t>(loop.items.size());
    const auto itemAt = [&](std::int64_t i, const char* what) {
        return i >= 0 && i < count ? loop.items[static_cast<std::size_t>(i)]
                                   : Value(undefinedName(what));
    };
    if (name == "index" || name == "index0") {
        return Value(name == "index" ? index + 1 : index);
    }
    if (name == "revindex" || name == "revindex0") {
        return Value(count - index - (name == "revindex" ? 0 : 1));
    }
    if (name == "first" || name == "last") {
        return Value(name == "first" ? index == 0 : index + 1 == count);
    }
    if (name == "length") {
        return Value(count);
    }
    if (name == "previtem" || name == "nextitem") {
        return name == "previtem" ? itemAt(index - 1, "loop.previtem")
                                  : itemAt(index + 1, "loop.nextitem");
    }
    if (name == "depth" || name == "depth0") {
        return Value(std::int64_t{name == "depth" ? 1 : 0});
    }
    return missing(self, name);
}

Value listOfTexts(const std::vector<std::string_view>& parts, Budget& budget)
{
    budget.make(parts.size() * sizeof(Value) * 2);
    List list;
    for (const std::string_view part : parts) {
        budget.make(part.size());
        list.items.emplace_back(std::string(part));
    }
    return Value(std::move(list));
}

/// split, rsplit
Value divided(const std::string& text, const std::string& name, const Arguments& arguments,
              Budget& budget)
{
    const Bound bound(name, arguments, {"sep", "maxsplit"});
    const std::int64_t most =
        bound.find(1) != nullptr ? requireInteger(bound[1], "maxsplit") : std::int64_t{-1};
    if (bound.find(0) == nullptr || bound[0].isNone()) {
        if (name == "rsplit" && most >= 0) {
            throw Failure("'rsplit' at spaces with a limit is not supported");
        }
        return listOfTexts(splitAtSpaces(text, most), budget);
    }
    const std::string& separator = requireText(bound[0], "a separator");
    if (separator.empty()) {
        throw Failure("the separator is empty");
    }
    return listOfTexts(name == "split" ? splitAt(text, separator, most)
                                       : splitAtFromRight(text, separator, most),
                       budget);
}

Value partitioned(const std::string& text, const std::string& name, const Arguments& arguments)
{
    const Bound bound(name, arguments, {"sep"}, 1);
    const std::string& separator = requireText(bound[0], "a separator");
    const bool isLeft = name == "partition";
    const std::size_t found = separator.empty() ? std::string::npos
                              : isLeft          ? text.find(separator)
                                                : text.rfind(separator);
    List list = {{}, true};
    if (found == std::string::npos) {
        list.items = isLeft ? std::vector<Value>{text, "", ""} : std::vector<Value>{"", "", text};
    } else {
        list.items = {text.substr(0, found), separator, text.substr(found + separator.size())};
    }
    return Value(std::move(list));
}

/// startswith, endswith: a text or a tuple of them.
bool beginsOrEnds(const std::string& text, const std::string& name, const Arguments& arguments)
{
    const Bound bound(name, arguments, {"affix"}, 1);
    const auto matches = [&](const Value& affix) {
        const std::string& part = requireText(affix, "what a text begins or ends with");
        return name == "startswith" ? text.starts_with(part) : text.ends_with(part);
    };
    const List* list = bound[0].list();
    return list == nullptr ? matches(bound[0])
                           : std::any_of(list->items.begin(), list->items.end(), matches);
}

Value stripped(const std::string& text, const std::string& name, const Arguments& arguments)
{
    const Bound bound(name, arguments, {"chars"});
    std::optional<std::string_view> characters;
    if (bound.find(0) != nullptr && !bound[0].isNone()) {
        characters = requireText(bound[0], "the characters to strip");
    }
    std::string_view rest = text;
    rest = name == "rstrip" ? rest : strippedLeft(rest, characters);
    rest = name == "lstrip" ? rest : strippedRight(rest, characters);
    return Value(std::string(rest));
}

/// find, rfind: in characters; count.
Value searched(const std::string& text, const std::string& name, const Arguments& arguments)
{
    const Bound bound(name, arguments, {"sub"}, 1);
    const std::string& part = requireText(bound[0], "what is looked for");
    if (name == "count") {
        return Value(part.empty() ? static_cast<std::int64_t>(characterCount(text)) + 1
                                  : std::ssize(splitAt(text, part, -1)) - 1);
    }
    const std::size_t found = name == "find" ? text.find(part) : text.rfind(part);
    return Value(found == std::string::npos ? std::int64_t{-1}
                                            : static_cast<std::int64_t>(characterCount(
                                                  std::string_view(text).substr(0, found))));
}

bool isAll(const std::string& text, bool (*property)(char32_t))
{
    for (std::size_t i = 0; i < text.size();) {
        const auto [codePoint, length] = utf8CharacterAt(text, i);
        if (!property(codePoint)) {
            return false;
        }
        i += length;
    }
    return !text.empty();
}

Value callTextMethod(const std::string& text, const std::string& name, const Arguments& arguments,
                     Interpreter& interpreter)
{
    Budget& budget = interpreter.budget();
    budget.make(text.size());
    if (name == "split" || name == "rsplit") {
        return divided(text, name, arguments, budget);
    }
    if (name == "partition" || name == "rpartition") {
        return partitioned(text, name, arguments);
    }
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
        return stripped(text, name, arguments);
    }
    if (name == "startswith" || name == "endswith") {
        return Value(beginsOrEnds(text, name, arguments));
    }
    if (name == "find" || name == "rfind" || name == "count") {
        return searched(text, name, arguments);
    }
    if (name == "removeprefix" || name == "removesuffix") {
        const Bound bound(name, arguments, {"affix"}, 1);
        const std::string& part = requireText(bound[0], "what is removed");
        const bool isPrefix = name == "removeprefix";
        const bool isThere = isPrefix ? text.starts_with(part) : text.ends_with(part);
        return Value(!isThere   ? text
                     : isPrefix ? text.substr(part.size())
                                : text.substr(0, text.size() - part.size()));
    }
    if (name == "join" || name == "replace") {
        const Value self(text);
        return name == "replace" ? callFilter(name, self, arguments, interpreter)
                                 : callFilter("join", Bound(name, arguments, {"items"}, 1)[0],
                                              {{self}, {}}, interpreter);
    }
    const Bound bound(name, arguments, {});
    if (name == "splitlines") {
        return listOfTexts(splitLines(text), budget);
    }
    if (name == "isspace") {
        return Value(isAll(text, isSpace));
    }
    if (name == "isdigit") {
        return Value(isAll(text, [](char32_t c) { return c >= U'0' && c <= U'9'; }));
    }
    if (name == "capitalize") {
        return Value(capitalized(text));
    }
    return Value(inCase(text, name == "lower"   ? LetterCase::Lower
                              : name == "upper" ? LetterCase::Upper
                                                : LetterCase::Title));
}

Value pairOf(const std::string& key, const Value& value)
{
    return Value(List{{Value(key), value}, true});
}

Value callDictMethod(const Value& self, const std::string& name, const Arguments& arguments,
                     Budget& budget)
{
    const Dict& dict = *self.dict();
    if (name == "get") {
        const Bound bound(name, arguments, {"key", "default"}, 1);
        const Value* found = bound[0].isString() ? dict.find(*bound[0].string()) : nullptr;
        return found != nullptr ? *found : bound.find(1) != nullptr ? bound[1] : Value();
    }
    const Bound bound(name, arguments, {});
    if (name == "copy") {
        return self;
    }
    budget.make(dict.entries.size() * sizeof(Value) * 4);
    List list;
    for (const auto& [key, value] : dict.entries) {
        list.items.push_back(name == "keys"     ? Value(key)
                             : name == "values" ? value
                                                : pairOf(key, value));
    }
    return Value(std::move(list));
}

Value callListMethod(const Value& self, const std::string& name, const Arguments& arguments,
                     Budget& budget)
{
    if (name == "copy") {
        return self;
    }
    const Bound bound(name, arguments, {"value"}, 1);
    const std::vector<Value>& items = self.list()->items;
    std::int64_t count = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const bool isIt = isEqual(items[i], bound[0], budget);
        if (isIt && name == "index") {
            return Value(static_cast<std::int64_t>(i));
        }
        count += isIt ? 1 : 0;
    }
    if (name == "index") {
        throw Failure("what 'index' looks for is not in the list");
    }
    return Value(count);
}

Value callLoopMethod(Loop& loop, const std::string& name, const Arguments& arguments,
                     Budget& budget)
{
    for (const Value& value : arguments.places) {
        depthOf(value);
    }
    if (name == "changed") {
        const std::vector<Value>& now = arguments.places;
        const bool isSame =
            loop.lastSeen && loop.lastSeen->size() == now.size() &&
            std::equal(now.begin(), now.end(), loop.lastSeen->begin(),
                       [&](const Value& a, const Value& b) { return isEqual(a, b, budget); });
        loop.lastSeen = now;
        return Value(!isSame);
    }
    if (arguments.places.empty()) {
        throw Failure("'cycle' needs what it goes through");
    }
    return arguments.places[loop.index % arguments.places.size()];
}

} // namespace

Value attributeOf(const Value& subject, const std::string& name)
{
    requireDefined(subject);
    if (const std::optional<Value> found = methodOf(subject, name)) {
        return *found;
    }
    if (const Loop* loop = subject.loop()) {
        return loopAttribute(*loop, name, subject);
    }
    const Namespace* space = subject.space();
    const Dict* dict = space == nullptr ? subject.dict() : &space->attributes;
    const Value* found = dict == nullptr ? nullptr : dict->find(name);
    return found == nullptr ? missing(subject, name) : *found;
}

Value itemOf(const Value& subject, const Value& key)
{
    requireDefined(subject);
    requireDefined(key);
    if (const std::string* name = key.string()) {
        const Value* found = subject.dict() == nullptr ? nullptr : subject.dict()->find(*name);
        return found == nullptr ? attributeOf(subject, *name) : *found;
    }
    const List* list = subject.list();
    if ((list == nullptr && !subject.isString()) || key.number() != nullptr || key.isNone()) {
        return missing(subject, "element of this kind");
    }
    const std::vector<std::string_view> characters =
        list == nullptr ? charactersOf(*subject.string()) : std::vector<std::string_view>();
    const std::int64_t count = list == nullptr ? std::ssize(characters) : std::ssize(list->items);
    const std::int64_t place = requireInteger(key, "the place in a list");
    const std::int64_t index = place < 0 ? place + count : place;
    if (index < 0 || index >= count) {
        return missing(subject, std::to_string(place));
    }
    const auto at = static_cast<std::size_t>(index);
    return list == nullptr ? Value(std::string(characters[at])) : list->items[at];
}

Value callMethod(const Value& self, const std::string& name, const Arguments& arguments,
                 Interpreter& interpreter)
{
    if (const std::string* text = self.string()) {
        return callTextMethod(*text, name, arguments, interpreter);
    }
    Budget& budget = interpreter.budget();
    if (self.dict() != nullptr) {
        return callDictMethod(self, name, arguments, budget);
    }
    return self.list() != nullptr ? callListMethod(self, name, arguments, budget)
                                  : callLoopMethod(*self.loop(), name, arguments, budget);
}

} // namespace longlora::jinja
