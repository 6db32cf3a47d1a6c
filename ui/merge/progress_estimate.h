// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/progress.h"

#include <QString>

namespace longlora::ui {

/// How fast a piece of work goes and how long it still takes, from what it reports; anew for every
/// phase.
class ProgressEstimate {
public:
    /// `seconds`: now, of any clock that does not stand still.
    void update(const Progress& progress, double seconds);
    void reset() { m_latest = {}; }

    int percent() const;
    /// Units a second since the phase began; 0: not known yet.
    double rate() const;
    /// Negative: not known yet.
    double secondsLeft() const;
    /// "1.2 GiB of 3.5 GiB, 450 MiB/s, 5.1 s left"; bytes are written as such.
    QString text() const;

private:
    Progress m_latest;
    double m_began = 0.0; ///< when the phase was first heard of, and how far it was then
    std::int64_t m_first = 0;
    double m_now = 0.0;
};

} // namespace longlora::ui
