// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/arguments.h"

#include <algorithm>

namespace longlora::jinja {

Bound::Bound(const std::string& function, const Arguments& arguments,
             std::initializer_list<const char*> parameters, std::size_t required)
    : m_values(parameters.size())
{
    if (arguments.places.size() > parameters.size()) {
        throw Failure("'" + function + "' takes at most " + std::to_string(parameters.size()) +
                      " arguments, not " + std::to_string(arguments.places.size()));
    }
    for (std::size_t i = 0; i < arguments.places.size(); ++i) {
        m_values[i] = &arguments.places[i];
    }
    for (const auto& [name, value] : arguments.names) {
        const auto known = std::find(parameters.begin(), parameters.end(), name);
        const auto place = static_cast<std::size_t>(known - parameters.begin());
        if (known == parameters.end() || m_values[place] != nullptr) {
            throw Failure("'" + function + "' has no argument '" + name +
                          "', or it is given twice");
        }
        m_values[place] = &value;
    }
    for (std::size_t i = 0; i < required; ++i) {
        if (m_values[i] == nullptr) {
            throw Failure("'" + function + "' needs its argument '" + *(parameters.begin() + i) +
                          "'");
        }
    }
}

} // namespace longlora::jinja
