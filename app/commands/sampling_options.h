// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"

namespace CLI {
class App;
} // namespace CLI

namespace longlora::app {

/// --max-new-tokens, --temperature, --top-p, --top-k, --seed, --stop.
void addSamplingOptions(CLI::App& command, SamplingOptions& options);

} // namespace longlora::app
