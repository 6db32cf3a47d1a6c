// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/model/decoder_model.h"

namespace longlora {

/// Lets an untrained model copy from its first step: what stood after an earlier occurrence of this
/// token is said again (induction heads, Olsson et al. 2022). Head 0 of layer 0 attends to the
/// previous token and writes its embedding beside the current one; heads of layer 1 look for the
/// current token among those, in the slow half of the rotary pairs, and write what stands there.
/// All other writers into the residual stream start smaller, so that embeddings are not
/// drowned. Training sharpens this within a million tokens; from a plain start, models of about a
/// million parameters did not find it in ten million.
/// Requires: two layers or more, as many kv heads as heads, a head dimension of 8 or more.
void startWithInductionHeads(DecoderModel& model);

} // namespace longlora
