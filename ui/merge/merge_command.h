// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"

#include <QString>

namespace longlora::ui {

/// The line for a terminal that does the same: `longlora merge` with what differs from its
/// defaults; paths are quoted for a shell where they need it.
QString mergeCommandLine(const MergeRequest& request);

} // namespace longlora::ui
