// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"

#include <memory>

namespace longlora::app {

/// TrainingService in a worker thread of this process, at a lower priority than the window's.
std::unique_ptr<TrainingService> makeInProcessTraining();

} // namespace longlora::app
