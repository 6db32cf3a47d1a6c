// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/run_config.h"

#include <string>
#include <vector>

namespace longlora {

struct SelfCheckCase {
    std::string name;
    double error = 0.0;
    double tolerance = 0.0;
    bool passed = false;
};

/// S2-Attn on this device against the dense masked oracle: forward and gradients, lengths from 1
/// upward, odd groups, batches, GQA, packed documents; no token sees a later one (and Circular
/// does); layer driver against end-to-end autograd. Seconds.
/// Throws: DeviceError if the device is absent.
std::vector<SelfCheckCase> runSelfCheck(DeviceKind device);

} // namespace longlora
