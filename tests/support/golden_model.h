// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/safetensors.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace longlora::test {

inline std::filesystem::path golden(const std::string& relative)
{
    return std::filesystem::path(LONGLORA_GOLDEN_DIR) / relative;
}

inline DecoderModel goldenModel(const std::string& name, at::ScalarType dtype = at::kFloat)
{
    return loadBaseModel(golden("models/" + name), {at::kCPU, dtype});
}

/// The error measure of tests/golden/MAKING.md: largest over positions of max|a-b| / max|b|.
inline double logitError(const at::Tensor& actual, const at::Tensor& expected)
{
    const at::Tensor a = actual.to(at::kDouble), b = expected.to(at::kDouble);
    const at::Tensor difference = std::get<0>((a - b).abs().max(-1));
    const at::Tensor scale = std::get<0>(b.abs().max(-1));
    return (difference / scale).max().item<double>();
}

/// max|a-b| / max|b| over the whole tensor.
inline double relativeError(const at::Tensor& actual, const at::Tensor& expected)
{
    const at::Tensor a = actual.to(at::kDouble), b = expected.to(at::kDouble);
    return ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item<double>();
}

} // namespace longlora::test
