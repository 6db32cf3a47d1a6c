// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace longlora::app {

// Options of a command, each described on one line: what it is, unit, range, default. The default
// is what the variable holds when the option is added. A value that cannot be meant is a
// ConfigError that names option, value and limits.

struct OptionText {
    std::string names;       ///< "--context"
    std::string placeholder; ///< "N"
    std::string doc;         ///< "tokens in a window"
};
struct IntegerRange {
    std::int64_t minimum = 0;
    std::int64_t maximum = 0;
};
struct RealRange {
    double minimum = 0.0;
    double maximum = 0.0;
};

CLI::Option* addText(CLI::App& command, const OptionText& text, std::string& value);
/// May be given more than once.
CLI::Option* addTexts(CLI::App& command, const OptionText& text, std::vector<std::string>& values);
CLI::Option* addInteger(CLI::App& command, const OptionText& text, std::int64_t& value,
                        IntegerRange range);
CLI::Option* addInteger(CLI::App& command, const OptionText& text,
                        std::optional<std::int64_t>& value, IntegerRange range);
CLI::Option* addReal(CLI::App& command, const OptionText& text, double& value, RealRange range);
/// "256,512,1024".
CLI::Option* addIntegers(CLI::App& command, const OptionText& text,
                         std::vector<std::int64_t>& values, IntegerRange range);
CLI::Option* addReals(CLI::App& command, const OptionText& text, std::vector<double>& values,
                      RealRange range);
/// One of `choices`.
CLI::Option* addChoice(CLI::App& command, const OptionText& text,
                       std::span<const std::string_view> choices, std::string& value);
CLI::Option* addFlag(CLI::App& command, const std::string& name, const std::string& doc,
                     bool& value);

/// Numbers separated by commas or spaces, with or without brackets around them.
/// Throws: ConfigError naming `option`.
std::vector<std::int64_t> parseIntegers(const std::string& option, std::string_view text,
                                        IntegerRange range);
/// "24GiB", "640 MiB", "1e9", "12345". Throws: ConfigError naming `option`.
double parseBytes(const std::string& option, const std::string& text);

} // namespace longlora::app
