// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/value.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace longlora::jinja {

/// What a function, filter or test is called with.
struct Arguments {
    std::vector<Value> places;
    std::vector<std::pair<std::string, Value>> names;
};

/// The arguments by parameter.
class Bound {
public:
    /// `required`: how many of `parameters` must be given.
    /// Throws: Failure if some are missing, unknown or too many.
    Bound(const std::string& function, const Arguments& arguments,
          std::initializer_list<const char*> parameters, std::size_t required = 0);

    /// Null if it was not given.
    const Value* find(std::size_t parameter) const { return m_values[parameter]; }
    const Value& operator[](std::size_t parameter) const { return *m_values[parameter]; }
    bool flag(std::size_t parameter) const
    {
        return m_values[parameter] != nullptr && m_values[parameter]->isTrue();
    }

private:
    std::vector<const Value*> m_values;
};

} // namespace longlora::jinja
