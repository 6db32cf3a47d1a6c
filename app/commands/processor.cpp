// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/processor.h"

#include "core/engine/tensor/prepare_compute.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace longlora::app {

void prepareProcessor()
{
    const char* asked = std::getenv("OMP_NUM_THREADS");
    const int fromEnvironment = asked != nullptr ? std::atoi(asked) : 0;
    const int available = static_cast<int>(std::thread::hardware_concurrency());
    prepareCompute(std::max(fromEnvironment > 0 ? fromEnvironment : available, 1));
}

} // namespace longlora::app
