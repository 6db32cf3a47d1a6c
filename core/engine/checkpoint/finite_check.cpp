// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/finite_check.h"

#include "core/spec/base/error.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>

#include <fmt/format.h>

#include <cmath>
#include <tuple>

namespace longlora {

bool isFinite(const at::Tensor& tensor)
{
    if (tensor.numel() == 0) {
        return true;
    }
    // Minimum and maximum hand NaN on.
    const auto [least, greatest] = at::aminmax(tensor);
    return std::isfinite(least.item<double>()) && std::isfinite(greatest.item<double>());
}

void requireFinite(const at::Tensor& tensor, const std::string& name, const std::string& source)
{
    if (isFinite(tensor)) {
        return;
    }
    const at::Tensor wrong = at::logical_not(at::isfinite(tensor.reshape({-1})));
    const auto first = at::argmax(wrong.to(at::kByte)).item<std::int64_t>();
    const auto count = wrong.sum().item<std::int64_t>();
    const auto value = tensor.reshape({-1}).select(0, first).item<double>();
    throw DataError(fmt::format("{}: {} holds {} at element {} ({} of {} elements are not finite)",
                                source, name, std::isnan(value) ? "NaN" : "infinity", first, count,
                                tensor.numel()),
                    "The file is damaged or its training diverged: use another copy.");
}

} // namespace longlora
