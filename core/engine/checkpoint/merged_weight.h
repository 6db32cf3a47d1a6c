// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/merge_source.h"

#include <functional>

namespace longlora {

/// What merging takes at any time, about: a block as stored, in fp32, and three as written.
constexpr double kMergedBlocksBytes = 48e6;

/// Computes a weight as it is to be stored, W + scale B A at least in fp32 and cast once, and hands
/// it to `take` in blocks of whole rows from the first on, so that memory does not depend on the
/// weight's size. A block is `take`'s to keep.
/// Throws: DataError naming `name`: a value that is not finite, or beyond the range of `dtype`;
/// what `take` throws.
void forEachMergedBlock(const MergeSource& source, const std::string& name, at::ScalarType dtype,
                        const std::function<void(const at::Tensor& rows)>& take);

} // namespace longlora
