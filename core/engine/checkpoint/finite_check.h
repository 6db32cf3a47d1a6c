// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace longlora {

/// Whether all elements are finite: one pass, no temporary tensor.
bool isFinite(const at::Tensor& tensor);

/// Throws: DataError naming `source`, the tensor, and the first element that is NaN or infinite.
void requireFinite(const at::Tensor& tensor, const std::string& name, const std::string& source);

} // namespace longlora
