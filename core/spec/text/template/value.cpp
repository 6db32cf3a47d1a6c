// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/value.h"

#include "core/spec/text/template/budget.h"

#include <algorithm>

namespace longlora::jinja {

namespace {

int checkedDepth(int depth)
{
    if (depth > kValueDepth) {
        throw Failure("lists are nested deeper than 64 levels");
    }
    return depth;
}

List withDepth(List list)
{
    for (const Value& item : list.items) {
        list.depth = std::max(list.depth, checkedDepth(depthOf(item) + 1));
    }
    return list;
}

Dict withDepth(Dict dict)
{
    for (const auto& [key, value] : dict.entries) {
        dict.depth = std::max(dict.depth, checkedDepth(depthOf(value) + 1));
    }
    return dict;
}

} // namespace

Value::Value(Undefined undefined)
    : m_value(std::move(undefined))
{}
Value::Value(bool value)
    : m_value(value)
{}
Value::Value(std::int64_t value)
    : m_value(value)
{}
Value::Value(double value)
    : m_value(value)
{}
Value::Value(std::string text)
    : m_value(std::make_shared<const std::string>(std::move(text)))
{}
Value::Value(const char* text)
    : Value(std::string(text))
{}
Value::Value(List list)
    : m_value(std::make_shared<const List>(withDepth(std::move(list))))
{}
Value::Value(Dict dict)
    : m_value(std::make_shared<const Dict>(withDepth(std::move(dict))))
{}
Value::Value(std::shared_ptr<Namespace> space)
    : m_value(std::move(space))
{}
Value::Value(std::shared_ptr<Loop> loop)
    : m_value(std::move(loop))
{}
Value::Value(Function function)
    : m_value(std::make_shared<const Function>(std::move(function)))
{}

bool Value::isNumber() const
{
    return boolean() != nullptr || integer() != nullptr || number() != nullptr;
}

bool Value::isTrue() const
{
    if (const bool* flag = boolean()) {
        return *flag;
    }
    if (const std::int64_t* value = integer()) {
        return *value != 0;
    }
    if (const double* value = number()) {
        return *value != 0;
    }
    if (const std::string* text = string()) {
        return !text->empty();
    }
    if (const List* items = list()) {
        return !items->items.empty();
    }
    if (const Dict* entries = dict()) {
        return !entries->entries.empty();
    }
    return !isNone() && !isUndefined();
}

const char* Value::typeName() const
{
    constexpr const char* kNames[] = {"None", "Undefined", "bool",      "int",  "float",   "str",
                                      "list", "dict",      "namespace", "loop", "function"};
    const List* items = list();
    return items != nullptr && items->isTuple ? "tuple" : kNames[m_value.index()];
}

void Dict::set(const std::string& key, Value value)
{
    const auto [place, isNew] = index.try_emplace(key, entries.size());
    if (isNew) {
        entries.emplace_back(key, std::move(value));
    } else {
        entries[place->second].second = std::move(value);
    }
}

const Value* Dict::find(std::string_view key) const
{
    const auto place = index.find(key);
    return place == index.end() ? nullptr : &entries[place->second].second;
}

int depthOf(const Value& value)
{
    if (const List* list = value.list()) {
        return list->depth;
    }
    if (const Dict* dict = value.dict()) {
        return dict->depth;
    }
    if (value.space() != nullptr || value.loop() != nullptr || value.function() != nullptr) {
        throw Failure(std::string("a ") + value.typeName() + " cannot be part of another value");
    }
    return 0;
}

Undefined undefinedName(const std::string& name)
{
    return {std::make_shared<const std::string>("'" + name + "' is undefined")};
}

void requireDefined(const Value& value)
{
    if (const Undefined* undefined = value.undefined()) {
        throw Failure(*undefined->message);
    }
}

} // namespace longlora::jinja
