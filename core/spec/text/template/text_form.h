// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/budget.h"
#include "core/spec/text/template/value.h"

#include <optional>
#include <string>

namespace longlora::jinja {

/// str(value). Throws: Failure for what has no text worth printing.
std::string textOf(const Value& value, Budget& budget);

struct JsonForm {
    bool ensureAscii = false;
    std::optional<std::int64_t> indent;
    std::string itemSeparator = ", "; ///< with `indent` usually ","
    std::string keySeparator = ": ";
    bool sortsKeys = false;
};
/// json.dumps(value). Throws: Failure.
std::string jsonOf(const Value& value, const JsonForm& form, Budget& budget);

/// Reads a JSON object. `what` names it. Throws: FormatError.
Dict dictOfJson(std::string_view json, const std::string& what);

} // namespace longlora::jinja
