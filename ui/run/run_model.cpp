// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/run_model.h"

namespace longlora::ui {

void RunModel::apply(const std::vector<Event>& events)
{
    if (events.empty()) {
        return;
    }
    const bool wasFinished = m_record.isFinished();
    for (const Event& event : events) {
        m_record.apply(event);
    }
    Q_EMIT changed();
    if (!wasFinished && m_record.isFinished()) {
        Q_EMIT runFinished();
    }
}

void RunModel::reset(RunRecord record)
{
    m_record = std::move(record);
    Q_EMIT wasReset();
    Q_EMIT changed();
}

} // namespace longlora::ui
