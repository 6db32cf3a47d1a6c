// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/inspect/inspection.h"

#include <filesystem>

namespace longlora {

/// What a GGUF file is and what stands in the way of importing it, without touching its data.
Inspection inspectGguf(const std::filesystem::path& file);

} // namespace longlora
