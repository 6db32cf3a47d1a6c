// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/number_types.h"

#include <cstdint>

namespace longlora::kernels::units {

// The two passes over a row of logits in bf16 (cross_entropy_cpu.cpp) with the instructions that
// processors with matrix units have beside them. Only where hasMatrixUnits().

/// Of up to a few thousand logits.
float largest(const BFloat16* z, std::int64_t count);
/// sum_v exp(z[v] - maximum), of so few that fp32 is enough.
float sumOfExp(const BFloat16* z, std::int64_t count, float maximum);
/// z[v] = factor exp(z[v] - maximum).
void scaleExp(BFloat16* z, std::int64_t count, float maximum, float factor);

} // namespace longlora::kernels::units
