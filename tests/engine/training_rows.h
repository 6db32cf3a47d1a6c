// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/train/training_data.h"

#include <cstdint>

namespace longlora::test {

/// One document that a model can learn by heart; all ids are below 60.
inline TrainingRow rowOfTokens(std::int64_t first, std::int64_t count)
{
    TrainingRow row;
    for (std::int64_t i = 0; i < count; ++i) {
        row.ids.push_back(static_cast<TokenId>((first + i * i * 7) % 60));
    }
    row.labels.assign(row.ids.begin(), row.ids.end());
    row.documentStarts = {0};
    return row;
}

} // namespace longlora::test
