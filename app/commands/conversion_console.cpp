// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/conversion_console.h"

#include "app/commands/console.h"
#include "core/spec/base/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace longlora::app {

void printConversion(Console& console, const ConversionReport& report, const std::string& output)
{
    console.print(output);
    console.print(fmt::format("{} tensors; {} as {}; rope {}; {}", formatCount(report.tensors),
                              formatBytes(report.bytes), report.dtype, report.rope,
                              formatDuration(report.seconds)));
    console.finish(nlohmann::ordered_json{
        {"out", output},
        {"tensors", report.tensors},
        {"bytes", report.bytes},
        {"dtype", report.dtype},
        {"rope", report.rope},
        {"seconds", report.seconds},
    }
                       .dump());
}

} // namespace longlora::app
