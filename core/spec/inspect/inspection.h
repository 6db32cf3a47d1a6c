// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace longlora {

/// What a path holds and what is wrong with it.
struct Inspection {
    using Value = std::variant<std::string, std::int64_t, double, bool>;

    std::string kind; ///< "model", "adapter", "run", "GGUF file", "token file", ...
    std::vector<std::pair<std::string, Value>> facts; ///< in reading order, snake_case names
    std::vector<std::string> problems; ///< one line each: it cannot be used; none: all is well
    std::vector<std::string> warnings; ///< one line each: it can, but one should know

    void add(const std::string& name, Value value) { facts.emplace_back(name, std::move(value)); }
    /// Does `work`; what it throws becomes a problem. More than twenty would only repeat the first.
    void collect(const std::function<void()>& work);
};

} // namespace longlora
