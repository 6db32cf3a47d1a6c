// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"

#include <functional>
#include <string>

namespace longlora {

/// The configuration of `base` under `adapter`: its rope, its context, its vocabulary (an embedding
/// with more rows widens it where the head's are known too), and whether the head is still tied to
/// the embedding. Throws: DataError if the adapter is of another base, as
/// attachAdapter.
ModelConfig configWithAdapter(const ModelConfig& base, const Adapter& adapter,
                              const std::string& modelFingerprint);

/// Turns everything an adapter does to embedding and head (low-rank update, trained rows, rows of a
/// wider vocabulary) into replaced weights, in fp32 or wider. `config` is that of
/// configWithAdapter(); `stored` gives the base's weight of a name.
void foldEnds(Adapter& adapter, const ModelConfig& config,
              const std::function<at::Tensor(const std::string& name)>& stored);

} // namespace longlora
