// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/console.h"

#include "core/spec/base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace longlora::app {

namespace {

constexpr std::chrono::milliseconds kRedraw{80};
/// Short work is not worth a line in a log.
constexpr std::chrono::seconds kBetweenLines{3};
constexpr std::int64_t kBarWidth = 24; // characters

std::string figures(const Progress& progress)
{
    const bool isBytes = progress.unit == "bytes";
    const auto text = [&](std::int64_t amount) {
        return isBytes ? formatBytes(static_cast<double>(amount)) : formatCount(amount);
    };
    std::string line = text(progress.done);
    if (progress.total > 0) {
        line += " of " + text(progress.total);
    }
    return isBytes || progress.unit.empty() ? line : line + " " + progress.unit;
}

} // namespace

Console::Console(std::ostream& out, std::ostream& err, bool errIsTerminal)
    : m_out(out)
    , m_err(err)
    , m_terminal(errIsTerminal)
{}

void Console::print(const std::string& line)
{
    if (!m_json) {
        endProgress();
        m_out << line << '\n' << std::flush;
    }
}

void Console::stream(const std::string& piece)
{
    if (!m_json) {
        endProgress();
        m_out << piece << std::flush;
    }
}

void Console::finish(const std::string& json)
{
    endProgress();
    if (m_json) {
        m_out << json << '\n' << std::flush;
    }
}

void Console::note(const std::string& line)
{
    endProgress();
    m_err << line << '\n' << std::flush;
}

void Console::show(const Progress& progress, const std::string& tail)
{
    if (m_terminal) {
        drawBar(progress, tail);
    } else {
        printTenth(progress, tail);
    }
}

void Console::endProgress()
{
    if (m_barShown) {
        m_err << "\r\x1b[K" << std::flush;
        m_barShown = false;
    }
}

void Console::drawBar(const Progress& progress, const std::string& tail)
{
    const auto now = std::chrono::steady_clock::now();
    if (m_barShown && now - m_lastDraw < kRedraw && progress.done != progress.total) {
        return;
    }
    m_lastDraw = now;
    m_barShown = true;
    m_err << "\r\x1b[K" << progress.phase << ' ';
    if (progress.total > 0) {
        const std::int64_t filled =
            std::clamp<std::int64_t>(kBarWidth * progress.done / progress.total, 0, kBarWidth);
        m_err << '[' << std::string(static_cast<std::size_t>(filled), '#')
              << std::string(static_cast<std::size_t>(kBarWidth - filled), '.') << "] ";
    }
    m_err << figures(progress) << (tail.empty() ? "" : "  ") << tail << std::flush;
}

void Console::printTenth(const Progress& progress, const std::string& tail)
{
    if (progress.total <= 0) {
        return;
    }
    if (progress.phase != m_phase) {
        m_phase = progress.phase;
        m_tenth = 0;
        m_lastDraw = std::chrono::steady_clock::now();
    }
    const std::int64_t tenth = 10 * progress.done / progress.total;
    // The same phase may begin anew: another model, another window length.
    m_tenth = std::min(m_tenth, tenth);
    const auto now = std::chrono::steady_clock::now();
    if (tenth == m_tenth || (tail.empty() && now - m_lastDraw < kBetweenLines)) {
        return;
    }
    m_tenth = tenth;
    m_lastDraw = now;
    m_err << fmt::format("{}: {}{}{}\n", progress.phase, figures(progress),
                         tail.empty() ? "" : "  ", tail)
          << std::flush;
}

} // namespace longlora::app
