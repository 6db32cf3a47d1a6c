// SPDX-License-Identifier: GPL-3.0-or-later
// The pickle inside of an archive, without the archive around it.
#include "core/engine/checkpoint/pickle/pickled_tensors.h"
#include "tests/fuzz/fuzz_target.h"

#include <algorithm>

namespace longlora::fuzz {

void readAndUse(std::string_view input)
{
    for (const PickledTensor& tensor : readPickledTensors({kFile, 0, input})) {
        require(tensor.where <= input.size(), "a tensor stands in the pickle");
        require(tensor.sizes.size() <= 8, "a tensor has at most 8 dimensions");
        require(tensor.sizes.size() == tensor.strides.size(), "each size has its stride");
        const auto isNegative = [](std::int64_t number) { return number < 0; };
        require(std::none_of(tensor.sizes.begin(), tensor.sizes.end(), isNegative) &&
                    std::none_of(tensor.strides.begin(), tensor.strides.end(), isNegative),
                "no size is negative");
    }
}

} // namespace longlora::fuzz
