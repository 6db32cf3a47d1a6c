// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/tensor_view.h"

#include <array>
#include <cstdint>

namespace longlora::kernels {

/// 4-bit NormalFloat: blocks of 64 numbers in row-major order share the largest magnitude among
/// them, and each is one of 16 levels of it, which split a normal distribution into equal parts.
///
///   absmax[b] = max |x| in block b,   code = nearest level to x / absmax[b],   y = level absmax[b]
///
/// Two codes a byte, the first in the high half; an odd count ends with the code of zero. A block
/// of zeros has absmax 0. Source: Dettmers et al. 2023 (arXiv:2305.14314), sec. 3 and app. E.
inline constexpr std::int64_t kNf4BlockSize = 64;
/// Ascending; 0 is among them.
extern const std::array<float, 16> kNf4Levels;

constexpr std::int64_t nf4Blocks(std::int64_t count)
{
    return (count + kNf4BlockSize - 1) / kNf4BlockSize;
}
constexpr std::int64_t nf4PackedBytes(std::int64_t count)
{
    return (count + 1) / 2;
}

/// Shapes: x [rows, columns], any dtype, stride 1 in columns and no gaps; packed [nf4PackedBytes],
/// absmax [nf4Blocks], of rows x columns. Numbers are compared in fp32. CPU only: it happens once,
/// while a model is read.
struct Nf4Quantize {
    ConstTensorView x;
    std::uint8_t* packed = nullptr;
    float* absmax = nullptr;
    int threads = 0;
};
void nf4Quantize(const Nf4Quantize& args);

/// Shapes: y [rows, columns], any dtype, stride 1 in columns, rows anywhere (the left part of an
/// extended weight will do); columns even, or one row. packed and absmax as nf4Quantize() wrote
/// them. Cost per element of b bytes: 0.56 read, b written, 1 flop.
struct Nf4Dequantize {
    const std::uint8_t* packed = nullptr;
    const float* absmax = nullptr;
    TensorView y;
    Stream stream;
};
/// Throws: KernelError if the device cannot run it.
void nf4Dequantize(const Nf4Dequantize& args);

/// Double quantisation: the absmax values themselves in 8 bits.
///
///   offset = mean(absmax),   scale[g] = max |absmax - offset| in group g of 256,
///   code = nearest of kAbsmaxLevels to (absmax - offset) / scale[g]
///
/// 0.127 bits a number instead of 0.5. Source: Dettmers et al. 2023, sec. 3; the levels: Dettmers
/// et al. 2022 (arXiv:2110.02861), dynamic tree quantisation.
inline constexpr std::int64_t kAbsmaxGroupSize = 256;
const std::array<float, 256>& absmaxLevels();

struct AbsmaxQuantize {
    const float* absmax = nullptr;
    std::int64_t count = 0;
    std::uint8_t* codes = nullptr; ///< [count]
    float* scales = nullptr;       ///< [ceil(count / kAbsmaxGroupSize)]
};
/// Returns the offset.
float absmaxQuantize(const AbsmaxQuantize& args);

struct AbsmaxDequantize {
    const std::uint8_t* codes = nullptr;
    const float* scales = nullptr;
    float offset = 0.0F;
    std::int64_t count = 0;
    float* absmax = nullptr; ///< [count]
    Stream stream;
};
/// Throws: KernelError if the device cannot run it.
void absmaxDequantize(const AbsmaxDequantize& args);

namespace cuda {
/// The CUDA forms, for the functions above to call.
void nf4Dequantize(const Nf4Dequantize& args);
void absmaxDequantize(const AbsmaxDequantize& args);
} // namespace cuda

} // namespace longlora::kernels
