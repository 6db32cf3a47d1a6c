// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "tests/engine/checkpoint_folders.h"

#include <filesystem>

namespace longlora::test {

/// Writes what torch.save makes of a dict: storages as they are, shared ones once, views with their
/// strides.
void writeTorchFile(const std::filesystem::path& file, const NamedTensors& tensors);

} // namespace longlora::test
