// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"

#include <string>
#include <string_view>

namespace longlora {

/// readModelConfig() of the text of a config.json; `file` names it in messages.
ModelConfig parseModelConfig(std::string_view text, const std::string& file);

} // namespace longlora
