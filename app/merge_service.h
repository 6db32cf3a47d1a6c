// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"

#include <memory>

namespace longlora::app {

/// MergeService by the engine of this process.
std::unique_ptr<MergeService> makeMergeService();

} // namespace longlora::app
