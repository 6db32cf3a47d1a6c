// SPDX-License-Identifier: GPL-3.0-or-later
// Q8_0, for 32 numbers x: d = max|x| / 127 in float, q = round(x (1/d)), halves away from zero; d
// is stored in half precision.
#include "core/engine/checkpoint/gguf/quantize.h"

#include "core/engine/checkpoint/gguf/narrow_float.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace longlora {

namespace {

constexpr int kBlock = 32;

void store(std::uint16_t bits, std::byte* out)
{
    out[0] = static_cast<std::byte>(bits & 0xFF);
    out[1] = static_cast<std::byte>(bits >> 8);
}

void blockQ8_0(const float* x, std::byte* out)
{
    float largest = 0.0F;
    for (int i = 0; i < kBlock; ++i) {
        largest = std::max(largest, std::fabs(x[i]));
    }
    const float d = largest / 127.0F;
    // Below 2^-128 the inverse overflows; d is then 0 in half precision.
    const float inverse = d < 0x1p-127F ? 0.0F : 1.0F / d;
    store(halfOfFloat(d), out);
    for (int i = 0; i < kBlock; ++i) {
        const auto q = static_cast<std::int8_t>(std::round(x[i] * inverse));
        out[2 + i] = static_cast<std::byte>(q);
    }
}

} // namespace

void quantize(GgmlType type, const float* numbers, std::int64_t count, std::byte* out)
{
    const GgmlTypeInfo& info = ggmlTypeInfo(type);
    switch (type) {
    case GgmlType::F32:
        std::memcpy(out, numbers, static_cast<std::size_t>(count) * sizeof(float));
        return;
    case GgmlType::F16:
        for (std::int64_t i = 0; i < count; ++i) {
            store(halfOfFloat(numbers[i]), out + 2 * i);
        }
        return;
    case GgmlType::BF16:
        for (std::int64_t i = 0; i < count; ++i) {
            store(bfloatOfFloat(numbers[i]), out + 2 * i);
        }
        return;
    case GgmlType::Q8_0:
        for (std::int64_t i = 0; i < count; i += kBlock, out += info.blockBytes) {
            blockQ8_0(numbers + i, out);
        }
        return;
    default:
        throw std::logic_error("this type is not written");
    }
}

} // namespace longlora
