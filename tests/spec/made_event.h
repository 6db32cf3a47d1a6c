// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/events/event.h"

#include <utility>

namespace longlora::test {

/// An event of rank 0 of the run "r". Member by member: GCC 12 warns of the braced form.
inline Event madeEvent(std::int64_t sequence, double time, EventBody body)
{
    Event event;
    event.header.run = std::string("r");
    event.header.sequence = sequence;
    event.header.time = time;
    event.body = std::move(body);
    return event;
}

} // namespace longlora::test
