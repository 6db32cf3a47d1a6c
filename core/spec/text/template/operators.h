// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/budget.h"
#include "core/spec/text/template/value.h"

#include <optional>
#include <string>
#include <vector>

namespace longlora::jinja {

// Python's operators. All throw Failure for what has no answer there.

bool isEqual(const Value& left, const Value& right, Budget& budget);
/// Below 0, 0 or above 0, of numbers, texts or lists.
int compared(const Value& left, const Value& right, Budget& budget);
/// left `name` right: == != < <= > >= in "not in"
bool compare(const std::string& name, const Value& left, const Value& right, Budget& budget);
/// left `name` right: + - * / // % **
Value calculate(const std::string& name, const Value& left, const Value& right, Budget& budget);
Value negative(const Value& value);

/// What a loop goes through: items, keys, characters; nothing for an undefined value.
std::vector<Value> itemsOf(const Value& value, Budget& budget);
/// value[begin:end:step]; None leaves a bound open.
Value sliceOf(const Value& value, const Value& begin, const Value& end, const Value& step,
              Budget& budget);

/// As a number that counts. Throws: Failure naming `what`.
std::int64_t requireInteger(const Value& value, const std::string& what);
const std::string& requireText(const Value& value, const std::string& what);

} // namespace longlora::jinja
