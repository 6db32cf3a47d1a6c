// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace longlora {

/// A matrix in 4-bit NormalFloat with double quantisation (kernels/nf4.h): 0.516 bytes a number.
/// Source: Dettmers et al. 2023 (arXiv:2305.14314), sec. 3.
class Nf4Matrix {
public:
    /// Nearest in 4 bits to `weight` [rows, columns], of any dtype; kept on `device`. Columns must
    /// be even.
    Nf4Matrix(const at::Tensor& weight, const at::Device& device);

    /// What it stands for, into `y` [rows, columns] on its device, of any dtype, rows anywhere.
    void unpack(at::Tensor& y) const;

    const std::vector<std::int64_t>& sizes() const noexcept { return m_sizes; }
    at::Device device() const { return m_packed.device(); }
    /// That it takes.
    double bytes() const;

private:
    std::vector<std::int64_t> m_sizes;
    at::Tensor m_packed;       ///< [rows x columns / 2] uint8, two codes each
    at::Tensor m_absmaxCodes;  ///< [blocks] uint8
    at::Tensor m_absmaxScales; ///< [groups of blocks] fp32
    float m_absmaxOffset = 0.0F;
};

} // namespace longlora
