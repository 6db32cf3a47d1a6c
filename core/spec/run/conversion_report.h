// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

namespace longlora {

/// What converting a model from one format to another came to.
struct ConversionReport {
    std::int64_t tensors = 0;
    double bytes = 0.0; ///< written
    std::string dtype;  ///< "fp32", "bf16", "f16", "q8_0"
    std::string rope;   ///< of the model, for people
    double seconds = 0.0;
};

} // namespace longlora
