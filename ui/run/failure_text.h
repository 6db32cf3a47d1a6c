// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/run/run_record.h"
#include "ui/widgets/error_banner.h"

namespace longlora::ui {

/// What to tell about a failed run: message, hint, and the largest items of its memory plan.
ErrorBanner::Content describeFailure(const RunRecord& record);

} // namespace longlora::ui
