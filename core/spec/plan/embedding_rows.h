// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

namespace longlora {

/// What is known of a run's data before it starts.
struct DataFacts {
    std::int64_t distinctTokens = 0; ///< different ids in all rows; 0: unknown, it may be all
};

/// Rows of a trained embedding that masters, gradients and moments are kept of: those of the
/// `distinct` ids of the data, since no other row has a gradient. All `vocabulary` rows where that
/// takes less: a weight in its master's dtype is its own master only as a whole, so 3 whole tensors
/// stand against 4 of the rows.
constexpr std::int64_t embeddingRowsKept(std::int64_t vocabulary, std::int64_t distinct,
                                         bool weightIsMaster)
{
    if (distinct <= 0 || distinct >= vocabulary) {
        return vocabulary;
    }
    return weightIsMaster && 4 * distinct >= 3 * vocabulary ? vocabulary : distinct;
}

} // namespace longlora
