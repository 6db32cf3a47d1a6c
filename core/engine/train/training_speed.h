// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/tensor/torch_compat.h"

namespace longlora {

/// FLOP/s, counted as stepFlops() does, that a training step of a small model sustains at `place`:
/// the better of a few steps within about half a second. Larger models come closer to the peak of
/// the hardware, so a forecast made with it errs on the slow side for them.
double measureTrainingSpeed(const ComputePlace& place);

} // namespace longlora
