// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event_sink.h"
#include "core/spec/run/dry_run.h"

#include <memory>

namespace longlora::app {

/// The plan of a run where it would compute: profileHere().
MemoryPlan forecastHere(const RunConfig& config);

/// Records what passes to the next sink.
class DryRunSink : public EventSink {
public:
    /// `record` and `next` outlive this.
    DryRunSink(DryRunRecord& record, EventSink& next)
        : m_record(record)
        , m_next(next)
    {}
    void post(const Event& event) noexcept override
    {
        m_record.take(event);
        m_next.post(event);
    }

private:
    DryRunRecord& m_record;
    EventSink& m_next;
};

/// DryRunService by the engine of this process.
std::unique_ptr<DryRunService> makeDryRunService();

} // namespace longlora::app
