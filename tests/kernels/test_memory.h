// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <memory>

/// The little of CUDA that tests need; there only in builds with CUDA.
namespace longlora::kernels::cuda {

bool deviceIsPresent();

/// Waits for the kernels under test. Throws: KernelError if one of them failed.
void synchronise();

/// Memory that device and host both see.
std::shared_ptr<void> managedMemory(std::size_t bytes);

} // namespace longlora::kernels::cuda
