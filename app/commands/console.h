// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"

#include <chrono>
#include <iosfwd>
#include <string>

namespace longlora::app {

/// What a command says, and where: results on standard output, everything else on standard error.
/// With JSON, standard output carries exactly one object, at the end.
class Console {
public:
    Console(std::ostream& out, std::ostream& err, bool errIsTerminal);

    void useJson() { m_json = true; }
    bool json() const noexcept { return m_json; }

    /// A line of the result for people; nothing with JSON.
    void print(const std::string& line);
    /// A piece of a streamed result for people, shown at once; nothing with JSON.
    void stream(const std::string& piece);
    /// The result as one JSON object; nothing without JSON.
    void finish(const std::string& json);
    /// A line on standard error.
    void note(const std::string& line);

    /// A bar on a terminal; elsewhere a line for each tenth that is done, or every few seconds at
    /// most where there is no `tail`. `tail` follows the figures.
    void show(const Progress& progress, const std::string& tail = {});
    /// Takes the bar off the terminal.
    void endProgress();

private:
    void drawBar(const Progress& progress, const std::string& tail);
    void printTenth(const Progress& progress, const std::string& tail);

    std::ostream& m_out;
    std::ostream& m_err;
    bool m_terminal;
    bool m_json = false;
    bool m_barShown = false;
    std::string m_phase; ///< of the tenths told so far
    std::int64_t m_tenth = -1;
    std::chrono::steady_clock::time_point m_lastDraw;
};

} // namespace longlora::app
