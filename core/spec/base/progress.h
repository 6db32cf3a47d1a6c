// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace longlora {

/// How far a long piece of work is.
struct Progress {
    std::string phase; ///< "loading", "prefill", "merging", ... in the user's words
    std::int64_t done = 0;
    std::int64_t total = 0; ///< 0: not known
    std::string unit;       ///< "tokens", "tensors", "bytes"
};

/// Called from the working thread at every whole unit of work; returning false asks to cancel.
using ProgressCallback = std::function<bool(const Progress&)>;

/// Thrown by long work whose ProgressCallback returned false. Nothing is left half-written.
struct Cancelled {};

} // namespace longlora
