// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace longlora::jinja {

struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Function;

/// What is wrong while a template is evaluated; the interpreter adds the place.
class Failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What a name or an attribute without a value gives: it prints nothing and is false; all else
/// that is done with it fails with `message`.
struct Undefined {
    std::shared_ptr<const std::string> message;
};

/// A value of a template, as Python's. Cheap to copy. Nothing but a Namespace can change.
class Value {
public:
    Value() = default; ///< None
    Value(Undefined undefined);
    Value(bool value);
    Value(std::int64_t value);
    Value(double value);
    Value(std::string text);
    Value(const char* text);
    /// Both throw Failure if values are nested too deep, or can change.
    Value(List list);
    Value(Dict dict);
    Value(std::shared_ptr<Namespace> space);
    Value(std::shared_ptr<Loop> loop);
    Value(Function function);

    bool isUndefined() const { return std::holds_alternative<Undefined>(m_value); }
    bool isNone() const { return std::holds_alternative<std::monostate>(m_value); }
    bool isString() const { return string() != nullptr; }
    /// Also a boolean, which counts as 0 or 1.
    bool isNumber() const;

    /// Null unless it is of this kind.
    const Undefined* undefined() const { return std::get_if<Undefined>(&m_value); }
    const bool* boolean() const { return std::get_if<bool>(&m_value); }
    const std::int64_t* integer() const { return std::get_if<std::int64_t>(&m_value); }
    const double* number() const { return std::get_if<double>(&m_value); }
    const std::string* string() const { return pointer<const std::string>(); }
    const List* list() const { return pointer<const List>(); }
    const Dict* dict() const { return pointer<const Dict>(); }
    Namespace* space() const { return pointer<Namespace>(); }
    Loop* loop() const { return pointer<Loop>(); }
    const Function* function() const { return pointer<const Function>(); }

    bool isTrue() const;
    /// Python's name of the type: "str".
    const char* typeName() const;

private:
    template <class Type>
    Type* pointer() const
    {
        const auto* held = std::get_if<std::shared_ptr<Type>>(&m_value);
        return held == nullptr ? nullptr : held->get();
    }

    std::variant<std::monostate, Undefined, bool, std::int64_t, double,
                 std::shared_ptr<const std::string>, std::shared_ptr<const List>,
                 std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<Loop>,
                 std::shared_ptr<const Function>>
        m_value;
};

/// A list or a tuple.
struct List {
    std::vector<Value> items;
    bool isTuple = false;
    int depth = 1; ///< of lists in lists
};

/// Keys in the order in which they came.
struct Dict {
    std::vector<std::pair<std::string, Value>> entries;
    std::map<std::string, std::size_t, std::less<>> index; ///< into entries
    int depth = 1;

    void set(const std::string& key, Value value);
    /// Null if there is none.
    const Value* find(std::string_view key) const;
};

/// What `namespace()` makes: its attributes may be set from anywhere.
struct Namespace {
    Dict attributes;
};

/// The variable `loop`.
struct Loop {
    std::vector<Value> items;
    std::size_t index = 0;
    std::optional<std::vector<Value>> lastSeen; ///< by changed()
};

struct Statement;

/// Something that can be called: one of our functions, a method of `self`, or a macro.
struct Function {
    std::string name;
    std::optional<Value> self;
    const Statement* macro = nullptr;
};

/// How deep a value is as part of another: 0 for what has no parts. Throws: Failure for what could
/// come to hold itself.
int depthOf(const Value& value);

Undefined undefinedName(const std::string& name);
/// Throws: Failure if `value` is undefined.
void requireDefined(const Value& value);

} // namespace longlora::jinja
