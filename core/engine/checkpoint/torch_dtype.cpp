// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/torch_dtype.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>

namespace longlora {

namespace {

/// In the order of StoredDtype.
constexpr std::array<at::ScalarType, kStoredDtypes.size()> kTorchDtypes = {
    at::kLong, at::kDouble, at::kFloat, at::kInt,  at::kBFloat16,
    at::kHalf, at::kShort,  at::kChar,  at::kByte, at::kBool,
};

} // namespace

at::ScalarType torchDtype(StoredDtype dtype)
{
    return kTorchDtypes[static_cast<std::size_t>(dtype)];
}

std::optional<StoredDtype> storedDtype(at::ScalarType dtype)
{
    const auto* const found = std::find(kTorchDtypes.begin(), kTorchDtypes.end(), dtype);
    if (found == kTorchDtypes.end()) {
        return std::nullopt;
    }
    return static_cast<StoredDtype>(found - kTorchDtypes.begin());
}

} // namespace longlora
