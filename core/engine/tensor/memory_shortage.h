// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <exception>
#include <optional>
#include <string>

namespace longlora {

/// What `failure` says of a lack of memory, of the host or of a GPU, in a sentence; nothing if it
/// is another error. After it the process can go on computing: of CUDA's errors the only one.
std::optional<std::string> memoryShortage(const std::exception_ptr& failure);

/// Waits for what `device` still computes, and gives back the free memory that LibTorch and the
/// host's pool keep for later.
void giveBackFreeMemory(const c10::Device& device);

} // namespace longlora
