// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/text_format.h"

#include "core/spec/base/units.h"

#include <QCoreApplication>
#include <QDateTime>
#include <QLocale>

#include <array>
#include <cmath>

namespace longlora::ui {

namespace {

QString tr(const char* text)
{
    return QCoreApplication::translate("longlora::ui::Format", text);
}

} // namespace

QString toQString(std::string_view utf8)
{
    return QString::fromUtf8(utf8.data(), static_cast<qsizetype>(utf8.size()));
}

QString pathText(const std::filesystem::path& path)
{
    return toQString(path.string());
}

std::filesystem::path toPath(const QString& path)
{
    return path.toStdString();
}

QString countText(std::int64_t count)
{
    return QLocale().toString(static_cast<qlonglong>(count));
}

QString shortCountText(double count)
{
    struct Unit {
        double size;
        const char* suffix;
    };
    static constexpr std::array<Unit, 3> kUnits = {{{1e9, " B"}, {1e6, " M"}, {1e3, " k"}}};
    for (const Unit& unit : kUnits) {
        if (std::abs(count) >= unit.size) {
            return numberText(count / unit.size, 3) + QLatin1String(unit.suffix);
        }
    }
    return QLocale().toString(count, 'f', 0);
}

QString bytesText(double bytes)
{
    return toQString(formatBytes(bytes));
}

QString durationText(double seconds)
{
    return toQString(formatDuration(seconds));
}

QString numberText(double value, int digits)
{
    if (std::isnan(value)) {
        return tr("not a number");
    }
    const double size = std::abs(value);
    if (size >= 1000.0 && size < 1e9) {
        return QLocale().toString(value, 'f', 0);
    }
    return QLocale().toString(value, 'g', digits);
}

QString rateText(double tokensPerSecond)
{
    return tokensPerSecond > 0.0 ? tr("%1 tokens/s").arg(numberText(tokensPerSecond, 3))
                                 : QString();
}

QString percentText(double fraction)
{
    return tr("%1 %").arg(QLocale().toString(100.0 * fraction, 'f', fraction < 0.0995 ? 1 : 0));
}

QString timeText(double secondsSinceEpoch)
{
    const auto time = QDateTime::fromMSecsSinceEpoch(std::llround(1000.0 * secondsSinceEpoch));
    return QLocale().toString(time, QLocale::ShortFormat);
}

QString runStateText(RunState state)
{
    switch (state) {
    case RunState::Preparing:
        return tr("Preparing");
    case RunState::Running:
        return tr("Running");
    case RunState::Holding:
        return tr("Holding at the next step");
    case RunState::Held:
        return tr("Held");
    case RunState::Stopping:
        return tr("Stopping at the next step");
    case RunState::Finished:
        return tr("Finished");
    }
    return {};
}

QString outcomeText(RunOutcome outcome, bool interrupted)
{
    if (interrupted) {
        return tr("Interrupted");
    }
    switch (outcome) {
    case RunOutcome::Completed:
        return tr("Completed");
    case RunOutcome::Stopped:
        return tr("Stopped");
    case RunOutcome::Failed:
        return tr("Failed");
    }
    return {};
}

} // namespace longlora::ui
