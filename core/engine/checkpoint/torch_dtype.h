// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/stored_dtype.h"

#include <ATen/core/Tensor.h>

#include <optional>

namespace longlora {

/// What LibTorch calls a stored dtype.
at::ScalarType torchDtype(StoredDtype dtype);
/// Empty for what no file of ours stores.
std::optional<StoredDtype> storedDtype(at::ScalarType dtype);

} // namespace longlora
