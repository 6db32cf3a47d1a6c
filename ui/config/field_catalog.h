// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/fields.h"
#include "core/spec/config/run_config.h"

#include <QString>

#include <string_view>

namespace longlora::ui {

/// The description of the option with this dotted key ("lora.rank"), from run_config_fields.h.
/// Asserts that there is one.
Field fieldOf(std::string_view dottedKey);

/// Its label and its explanation with key, range and unit, in the window's language.
QString fieldLabel(std::string_view dottedKey);
QString fieldToolTip(std::string_view dottedKey);
/// Its unit behind a space, as for `count`: " steps", " step"; empty if it has none.
QString fieldUnit(std::string_view dottedKey, std::int64_t count = 2);

/// The option itself inside `config`. Asserts that it exists and has this type: std::string,
/// std::int64_t, double, bool, an enum, a vector or optional of these.
template <class Value>
Value& fieldValue(RunConfig& config, std::string_view dottedKey);

} // namespace longlora::ui
