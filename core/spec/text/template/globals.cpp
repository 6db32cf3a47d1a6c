// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/template/library.h"
#include "core/spec/text/template/operators.h"
#include "core/spec/text/template/text_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace longlora::jinja {

namespace {

Value makeRange(const Arguments& arguments, Budget& budget)
{
    const Bound bound("range", arguments, {"start", "stop", "step"}, 1);
    const bool hasStop = bound.find(1) != nullptr;
    const std::int64_t first = hasStop ? requireInteger(bound[0], "the start of a range") : 0;
    const std::int64_t last = requireInteger(bound[hasStop ? 1 : 0], "the stop of a range");
    const std::int64_t step =
        bound.find(2) != nullptr ? requireInteger(bound[2], "the step of a range") : 1;
    if (step == 0) {
        throw Failure("the step of a range is zero");
    }
    List list;
    for (std::int64_t i = first; step > 0 ? i < last : i > last;) {
        if (std::ssize(list.items) == kRangeLength) {
            throw Failure("a range has more than 100,000 numbers");
        }
        list.items.emplace_back(i);
        if (__builtin_add_overflow(i, step, &i)) {
            break;
        }
    }
    budget.make(list.items.size() * sizeof(Value));
    return Value(std::move(list));
}

/// namespace(a=1) or dict(a=1), or of a dict.
Dict makeDict(const std::string& name, const Arguments& arguments)
{
    Dict dict;
    if (arguments.places.size() > 1 ||
        (arguments.places.size() == 1 && arguments.places[0].dict() == nullptr)) {
        throw Failure("'" + name + "' takes arguments with names, or one dict");
    }
    if (!arguments.places.empty()) {
        dict = *arguments.places[0].dict();
    }
    for (const auto& [key, value] : arguments.names) {
        depthOf(value);
        dict.set(key, value);
    }
    return dict;
}

/// In English, as the C locale has it. `format` as strftime's.
std::string formatTime(std::string_view format, const std::tm& time)
{
    constexpr std::size_t kFormatBytes = 256;
    if (format.size() > kFormatBytes) {
        throw Failure("the format of strftime_now is longer than 256 bytes");
    }
    constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
    constexpr std::array<std::string_view, 12> kMonths = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"};
    const std::string_view day = kDays.at(static_cast<std::size_t>(time.tm_wday));
    const std::string_view month = kMonths.at(static_cast<std::size_t>(time.tm_mon));
    const int hour = time.tm_hour % 12 == 0 ? 12 : time.tm_hour % 12;
    std::string text;
    for (std::size_t i = 0; i < format.size(); ++i) {
        if (format[i] != '%') {
            text += format[i];
            continue;
        }
        const bool isPlain = format.substr(i + 1).starts_with('-'); // without leading zeros
        i += isPlain ? 2 : 1;
        const auto number = [&](int value, int width) {
            return fmt::format("{:0{}}", value, isPlain ? 1 : width);
        };
        switch (i < format.size() ? format[i] : ' ') {
        case 'Y':
            text += std::to_string(time.tm_year + 1900);
            break;
        case 'y':
            text += number(time.tm_year % 100, 2);
            break;
        case 'm':
            text += number(time.tm_mon + 1, 2);
            break;
        case 'd':
            text += number(time.tm_mday, 2);
            break;
        case 'j':
            text += number(time.tm_yday + 1, 3);
            break;
        case 'H':
            text += number(time.tm_hour, 2);
            break;
        case 'I':
            text += number(hour, 2);
            break;
        case 'M':
            text += number(time.tm_min, 2);
            break;
        case 'S':
            text += number(time.tm_sec, 2);
            break;
        case 'p':
            text += time.tm_hour < 12 ? "AM" : "PM";
            break;
        case 'A':
            text += day;
            break;
        case 'a':
            text += day.substr(0, 3);
            break;
        case 'B':
            text += month;
            break;
        case 'b':
            text += month.substr(0, 3);
            break;
        case '%':
            text += '%';
            break;
        default:
            throw Failure("strftime_now does not know the format \"" + std::string(format) + "\"");
        }
    }
    return text;
}

constexpr std::array<std::string_view, 4> kGlobals = {"range", "namespace", "dict",
                                                      "raise_exception"};

} // namespace

Value globalOf(const std::string& name, const Interpreter& interpreter)
{
    if (name == "cycler" || name == "joiner" || name == "lipsum") {
        throw Failure("'" + name + "' is not supported");
    }
    const bool isKnown = std::find(kGlobals.begin(), kGlobals.end(), name) != kGlobals.end() ||
                         (name == "strftime_now" && interpreter.now());
    return isKnown ? Value(Function{name, {}, nullptr}) : Value(undefinedName(name));
}

Value callGlobal(const std::string& name, const Arguments& arguments, Interpreter& interpreter)
{
    if (name == "range") {
        return makeRange(arguments, interpreter.budget());
    }
    if (name == "dict") {
        return Value(makeDict(name, arguments));
    }
    if (name == "namespace") {
        auto space = std::make_shared<Namespace>();
        space->attributes = makeDict(name, arguments);
        return Value(std::move(space));
    }
    if (name == "strftime_now") {
        const Bound bound(name, arguments, {"format"}, 1);
        return Value(formatTime(requireText(bound[0], "the format"), *interpreter.now()));
    }
    const Bound bound(name, arguments, {"message"}, 1);
    throw Raised(textOf(bound[0], interpreter.budget()));
}

} // namespace longlora::jinja
