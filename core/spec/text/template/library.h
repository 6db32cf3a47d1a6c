// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/interpreter.h"

#include <string>

namespace longlora::jinja {

// What templates find without defining it. All throw Failure.

/// subject.name, and subject[key]; undefined if there is no such thing.
Value attributeOf(const Value& subject, const std::string& name);
Value itemOf(const Value& subject, const Value& key);

/// The function of this name that every template knows; undefined if there is none.
Value globalOf(const std::string& name, const Interpreter& interpreter);
/// Calls one of them.
Value callGlobal(const std::string& name, const Arguments& arguments, Interpreter& interpreter);
/// Calls a method that attributeOf() gave.
Value callMethod(const Value& self, const std::string& name, const Arguments& arguments,
                 Interpreter& interpreter);

/// subject | name(arguments)
Value callFilter(const std::string& name, const Value& subject, const Arguments& arguments,
                 Interpreter& interpreter);
/// The filters of lists among them.
Value callListFilter(const std::string& name, const Value& subject, const Arguments& arguments,
                     Interpreter& interpreter);
/// value.a.b, or value["a"]["b"], of a path "a.b"; numbers are places in lists.
Value valueAt(const Value& value, const Value& path);

/// subject is name(arguments)
bool callTest(const std::string& name, const Value& subject, const Arguments& arguments,
              Interpreter& interpreter);

} // namespace longlora::jinja
