// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <QString>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace longlora::ui {

/// Figures and names as the window writes them: digits through QLocale, sizes in GiB.

QString toQString(std::string_view utf8);
QString pathText(const std::filesystem::path& path);

std::filesystem::path toPath(const QString& path);

/// "1,234,567" in the user's locale.
QString countText(std::int64_t count);
/// "0.92 M", "6.74 B": parameters, tokens.
QString shortCountText(double count);
QString bytesText(double bytes);
QString durationText(double seconds);
/// At most `digits` significant digits: "3.214", "2e-05", "1,052".
QString numberText(double value, int digits = 4);
/// "1,052 tokens/s"; empty if not known.
QString rateText(double tokensPerSecond);
QString percentText(double fraction);
/// Local date and time of seconds since 1970: "1 May 2026 15:30".
QString timeText(double secondsSinceEpoch);

QString runStateText(RunState state);
/// How a finished run ended, in a word.
QString outcomeText(RunOutcome outcome, bool interrupted);

} // namespace longlora::ui
