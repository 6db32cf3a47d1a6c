// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "kernels/adamw.h"
#include "kernels/random_rounding.h"

#include <cmath>

namespace longlora::kernels {

using FirstMoment = ShortFloat<3>;
using SecondRoot = ShortFloat<4>;

/// The numbers of an update that all weights share, in fp32.
struct AdamWFactors {
    float beta1, beta2, newInFirst, newInSecond;
    float kept;        ///< of the weight, by its decay
    float rate;        ///< learning rate / (1 - beta1^t)
    float inverseRoot; ///< 1 / sqrt(1 - beta2^t)
    float epsilon;
};

inline AdamWFactors factorsOf(const AdamWRates& rates)
{
    const auto t = static_cast<double>(rates.step);
    return {static_cast<float>(rates.beta1),
            static_cast<float>(rates.beta2),
            static_cast<float>(1.0 - rates.beta1),
            static_cast<float>(1.0 - rates.beta2),
            static_cast<float>(1.0 - rates.learningRate * rates.weightDecay),
            static_cast<float>(rates.learningRate / (1.0 - std::pow(rates.beta1, t))),
            static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(rates.beta2, t))),
            static_cast<float>(rates.epsilon)};
}

/// The key of a block's random bits in this step.
LONGLORA_HOST_DEVICE constexpr std::uint32_t roundingKey(std::uint64_t seed, std::int64_t step,
                                                         std::int64_t block)
{
    return scrambled(scrambled(seed + static_cast<std::uint64_t>(step)) ^
                     static_cast<std::uint64_t>(block) << 20);
}

/// The step of one weight with its new moments.
[[gnu::always_inline]] LONGLORA_HOST_DEVICE inline float
moved(float weight, float first, float secondRoot, const AdamWFactors& f)
{
    return weight * f.kept - f.rate * first / (secondRoot * f.inverseRoot + f.epsilon);
}

/// The scale that puts `largest` on `lastCode`; where it would be too small to divide by, 0: the
/// block's moments are then 0, far below any epsilon.
[[gnu::always_inline]] LONGLORA_HOST_DEVICE inline float scaleFor(float largest, float lastCode)
{
    constexpr float kSmallest = 1e-30F;
    const float scale = largest / lastCode;
    return scale < kSmallest ? 0.0F : scale; // NaN stays
}

[[gnu::always_inline]] LONGLORA_HOST_DEVICE inline float inverseOf(float scale)
{
    return scale > 0.0F ? 1.0F / scale : 0.0F;
}

/// `random`: 16 bits.
[[gnu::always_inline]] LONGLORA_HOST_DEVICE inline std::uint8_t firstCode(float scaled,
                                                                          std::uint32_t random)
{
    const float magnitude = scaled < 0.0F ? -scaled : scaled;
    const std::uint32_t sign = scaled < 0.0F ? 0x80U : 0U;
    return static_cast<std::uint8_t>(sign | FirstMoment::encode(magnitude, random));
}

[[gnu::always_inline]] LONGLORA_HOST_DEVICE inline float firstValue(std::uint32_t code)
{
    const float magnitude = FirstMoment::decode(code & 0x7fU);
    return code >= 0x80U ? -magnitude : magnitude;
}

[[gnu::always_inline]] LONGLORA_HOST_DEVICE inline std::uint8_t secondCode(float scaled,
                                                                           std::uint32_t random)
{
    const std::uint32_t code = SecondRoot::encode(scaled, random);
    return static_cast<std::uint8_t>(code == 0U && scaled > 0.0F ? 1U : code);
}

} // namespace longlora::kernels
