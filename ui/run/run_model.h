// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/run/run_record.h"

#include <QObject>

namespace longlora::ui {

/// One run as the pages see it: a RunRecord that says when it has changed.
class RunModel : public QObject {
    Q_OBJECT

public:
    using QObject::QObject;

    const RunRecord& record() const { return m_record; }
    /// Takes a batch; at most one changed() per call.
    void apply(const std::vector<Event>& events);
    void reset(RunRecord record = {});

Q_SIGNALS:
    void changed();
    /// Another run is told of from now on.
    void wasReset();
    /// The run said that it has ended.
    void runFinished();

private:
    RunRecord m_record;
};

} // namespace longlora::ui
