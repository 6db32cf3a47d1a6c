// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace longlora {

/// How a conversation's keys and values are kept.
enum class KvFormat {
    Model, ///< in the model's dtype
    Int8,  ///< 8 bits, one fp32 scale for each head of each token: about half of bf16
};

} // namespace longlora
