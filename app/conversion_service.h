// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/conversion_service.h"

#include <memory>

namespace longlora::app {

/// Conversions between file formats for the window.
std::unique_ptr<ConversionService> makeConversionService();

} // namespace longlora::app
