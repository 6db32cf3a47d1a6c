// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <limits>
#include <string_view>

namespace longlora {

/// The one description of an option: JSON, command line, form, difference view and documents read
/// it from here. Text is English and translatable at the place that shows it.
struct Field {
    std::string_view key;   ///< JSON key within its group
    std::string_view label; ///< "Learning rate"
    std::string_view unit;  ///< "tokens", "bytes", "" for none
    std::string_view doc;   ///< one sentence: meaning and the effect of a larger value
    double minimum = -std::numeric_limits<double>::infinity();
    double maximum = std::numeric_limits<double>::infinity();
};

// A struct is described by `template <class Config, class Visitor> void visitFields(Config&,
// Visitor&)` (see config/run_config_fields.h), which calls
//     visitor.field(Field, value&)            for each scalar, list or optional
//     visitor.group(key, label, struct&)      for each nested struct
// A `const` Config gives const references.

} // namespace longlora
