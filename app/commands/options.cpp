// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/options.h"

#include "core/spec/base/error.h"
#include "core/spec/base/nearest_name.h"
#include "core/spec/base/units.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

namespace longlora::app {

namespace {

constexpr std::string_view kSeparators = ", \t\r\n";

using TakeText = std::function<void(const std::string&)>;

CLI::Option* add(CLI::App& command, const OptionText& text, const std::string& doc, TakeText take)
{
    return command
        .add_option(
            text.names,
            [take = std::move(take)](const CLI::results_t& given) {
                for (const std::string& one : given) {
                    take(one);
                }
                return true;
            },
            doc)
        ->type_name(text.placeholder);
}

std::string withDefault(const std::string& doc, const std::string& value)
{
    return value.empty() ? doc : doc + " (default " + value + ")";
}

template <class Number>
std::optional<Number> numberFrom(std::string_view text)
{
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole ? std::optional<Number>(number) : std::nullopt;
}

std::string rangeText(IntegerRange range)
{
    return formatCount(range.minimum) + " to " + formatCount(range.maximum);
}

std::string rangeText(RealRange range)
{
    return fmt::format("{} to {}", range.minimum, range.maximum);
}

template <class Number, class Range>
Number checkedNumber(const std::string& option, std::string_view text, Range range)
{
    const std::optional<Number> number = numberFrom<Number>(text);
    if (!number) {
        throw ConfigError(fmt::format("{}: \"{}\" is not a{} number", option, text,
                                      std::is_integral_v<Number> ? " whole" : ""));
    }
    if (!(*number >= range.minimum && *number <= range.maximum)) {
        throw ConfigError(fmt::format("{}: {} is outside {}", option, text, rangeText(range)));
    }
    return *number;
}

template <class Number, class Range>
std::vector<Number> checkedNumbers(const std::string& option, std::string_view text, Range range)
{
    const std::size_t last = text.find_last_not_of(kSeparators);
    text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
    if (text.starts_with('[') && text.ends_with(']')) {
        text = text.substr(1, text.size() - 2);
    }
    std::vector<Number> numbers;
    while (true) {
        const std::size_t begin = text.find_first_not_of(kSeparators);
        if (begin == std::string_view::npos) {
            break;
        }
        const std::size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
        numbers.push_back(checkedNumber<Number>(option, text.substr(begin, end - begin), range));
        text = text.substr(end);
    }
    if (numbers.empty()) {
        throw ConfigError(option + ": there is no number");
    }
    return numbers;
}

} // namespace

CLI::Option* addText(CLI::App& command, const OptionText& text, std::string& value)
{
    return add(command, text, withDefault(text.doc, value),
               [&value](const std::string& given) { value = given; });
}

CLI::Option* addTexts(CLI::App& command, const OptionText& text, std::vector<std::string>& values)
{
    return add(command, text, text.doc + "; may be repeated",
               [&values](const std::string& given) { values.push_back(given); })
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* addInteger(CLI::App& command, const OptionText& text, std::int64_t& value,
                        IntegerRange range)
{
    const std::string doc = text.doc + ", " + rangeText(range);
    return add(command, text, withDefault(doc, formatCount(value)),
               [&value, range, option = text.names](const std::string& given) {
                   value = checkedNumber<std::int64_t>(option, given, range);
               });
}

CLI::Option* addInteger(CLI::App& command, const OptionText& text,
                        std::optional<std::int64_t>& value, IntegerRange range)
{
    return add(command, text, text.doc + ", " + rangeText(range),
               [&value, range, option = text.names](const std::string& given) {
                   value = checkedNumber<std::int64_t>(option, given, range);
               });
}

CLI::Option* addReal(CLI::App& command, const OptionText& text, double& value, RealRange range)
{
    const std::string doc = text.doc + ", " + rangeText(range);
    return add(command, text, withDefault(doc, fmt::format("{}", value)),
               [&value, range, option = text.names](const std::string& given) {
                   value = checkedNumber<double>(option, given, range);
               });
}

CLI::Option* addIntegers(CLI::App& command, const OptionText& text,
                         std::vector<std::int64_t>& values, IntegerRange range)
{
    const std::string doc = text.doc + ", each " + rangeText(range);
    return add(command, text, withDefault(doc, fmt::format("{}", fmt::join(values, ","))),
               [&values, range, option = text.names](const std::string& given) {
                   values = parseIntegers(option, given, range);
               });
}

CLI::Option* addReals(CLI::App& command, const OptionText& text, std::vector<double>& values,
                      RealRange range)
{
    const std::string doc = text.doc + ", each " + rangeText(range);
    return add(command, text, withDefault(doc, fmt::format("{}", fmt::join(values, ","))),
               [&values, range, option = text.names](const std::string& given) {
                   values = checkedNumbers<double>(option, given, range);
               });
}

CLI::Option* addChoice(CLI::App& command, const OptionText& text,
                       std::span<const std::string_view> choices, std::string& value)
{
    const std::string doc = (text.doc.empty() ? std::string() : text.doc + ": ") +
                            fmt::format("{}", fmt::join(choices.begin(), choices.end(), ", "));
    return add(command, text, withDefault(doc, value),
               [&value, choices, option = text.names](const std::string& given) {
                   if (std::find(choices.begin(), choices.end(), given) == choices.end()) {
                       const std::string nearest = nearestName(given, choices);
                       throw ConfigError(
                           fmt::format("{}: \"{}\" is none of {}", option, given,
                                       fmt::join(choices.begin(), choices.end(), ", ")),
                           nearest.empty() ? "" : "Did you mean " + nearest + "?");
                   }
                   value = given;
               });
}

CLI::Option* addFlag(CLI::App& command, const std::string& name, const std::string& doc,
                     bool& value)
{
    return command.add_flag_callback(
        name, [&value] { value = true; }, doc);
}

std::vector<std::int64_t> parseIntegers(const std::string& option, std::string_view text,
                                        IntegerRange range)
{
    return checkedNumbers<std::int64_t>(option, text, range);
}

double parseBytes(const std::string& option, const std::string& text)
{
    struct Unit {
        std::string_view name;
        double bytes;
    };
    constexpr double kKibi = 1024.0;
    constexpr Unit kUnits[] = {
        {"KiB", kKibi},
        {"MiB", kKibi * kKibi},
        {"GiB", kKibi * kKibi * kKibi},
        {"TiB", kKibi * kKibi * kKibi * kKibi},
        {"KB", 1e3},
        {"MB", 1e6},
        {"GB", 1e9},
        {"TB", 1e12},
        {"B", 1.0},
    };
    std::string_view number = text;
    double scale = 1.0;
    for (const Unit& unit : kUnits) {
        if (number.ends_with(unit.name)) {
            number.remove_suffix(unit.name.size());
            scale = unit.bytes;
            break;
        }
    }
    while (number.ends_with(' ')) {
        number.remove_suffix(1);
    }
    const std::optional<double> amount = numberFrom<double>(number);
    if (!amount || !std::isfinite(*amount) || *amount <= 0.0) {
        throw ConfigError(option + ": \"" + text + "\" is not a number of bytes",
                          "Write 24GiB, 640MiB or a plain number.");
    }
    return *amount * scale;
}

} // namespace longlora::app
