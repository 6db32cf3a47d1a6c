// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/rope_scaling.h"

#include "core/spec/base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace longlora {

namespace {

/// theta^(-2i/d), i = 0 .. d/2-1.
std::vector<double> plainFrequencies(double theta, std::int64_t headDim)
{
    std::vector<double> inverse(static_cast<std::size_t>(headDim / 2));
    for (std::size_t i = 0; i < inverse.size(); ++i) {
        inverse[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(headDim));
    }
    return inverse;
}

/// Dynamic NTK: the base grows with the sequence, so that its end turns as slowly as the end of
/// the original context did.
double dynamicTheta(const RopeScaling& rope, std::int64_t headDim, std::int64_t sequenceLength)
{
    const auto original = static_cast<double>(rope.originalMaxPositionEmbeddings);
    const double length = std::max(static_cast<double>(sequenceLength), original);
    const double stretch = rope.factor * length / original - (rope.factor - 1.0);
    const auto dim = static_cast<double>(headDim);
    return rope.theta * std::pow(stretch, dim / (dim - 2.0));
}

/// YaRN: fast dimensions keep their frequency, slow ones are interpolated, a ramp lies between.
void applyYarn(const RopeScaling& rope, std::int64_t headDim, std::vector<double>& inverse)
{
    const auto dim = static_cast<double>(headDim);
    const auto original = static_cast<double>(rope.originalMaxPositionEmbeddings);
    const auto dimensionOfTurns = [&](double turns) {
        return dim * std::log(original / (turns * 2.0 * std::numbers::pi)) /
               (2.0 * std::log(rope.theta));
    };
    double low = dimensionOfTurns(rope.betaFast);
    double high = dimensionOfTurns(rope.betaSlow);
    if (rope.wholeCorrectionRange) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, dim - 1.0);
    if (low == high) {
        high += 0.001; // as the reference does, against a division by zero
    }
    for (std::size_t i = 0; i < inverse.size(); ++i) {
        const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
        inverse[i] = inverse[i] / rope.factor * ramp + inverse[i] * (1.0 - ramp);
    }
}

/// llama3: wavelengths that fit often into the original context stay, long ones are interpolated.
void applyLlama3(const RopeScaling& rope, std::vector<double>& inverse)
{
    const auto original = static_cast<double>(rope.originalMaxPositionEmbeddings);
    for (double& frequency : inverse) {
        const double turns = original * frequency / (2.0 * std::numbers::pi);
        const double smooth = std::clamp((turns - rope.lowFrequencyFactor) /
                                             (rope.highFrequencyFactor - rope.lowFrequencyFactor),
                                         0.0, 1.0);
        frequency = (1.0 - smooth) * frequency / rope.factor + smooth * frequency;
    }
}

} // namespace

RopeFrequencies ropeFrequencies(const RopeScaling& rope, std::int64_t headDim,
                                std::int64_t sequenceLength)
{
    const double theta =
        rope.kind == RopeKind::Dynamic ? dynamicTheta(rope, headDim, sequenceLength) : rope.theta;
    RopeFrequencies result{plainFrequencies(theta, headDim), 1.0};
    switch (rope.kind) {
    case RopeKind::Default:
    case RopeKind::Dynamic:
        break;
    case RopeKind::Linear:
        for (double& frequency : result.inverse) {
            frequency /= rope.factor;
        }
        break;
    case RopeKind::Yarn:
        applyYarn(rope, headDim, result.inverse);
        result.attentionFactor =
            rope.attentionFactor > 0.0 ? rope.attentionFactor : 0.1 * std::log(rope.factor) + 1.0;
        break;
    case RopeKind::Llama3:
        applyLlama3(rope, result.inverse);
        break;
    }
    return result;
}

std::string ropeKindName(RopeKind kind)
{
    switch (kind) {
    case RopeKind::Default:
        return "default";
    case RopeKind::Linear:
        return "linear";
    case RopeKind::Dynamic:
        return "dynamic";
    case RopeKind::Yarn:
        return "yarn";
    case RopeKind::Llama3:
        return "llama3";
    }
    return "default";
}

namespace {

/// "500,000"; whatever a file says may be no count at all.
std::string thetaText(double theta)
{
    constexpr double kLargestCount = 1e15;
    const bool isCount = theta == std::floor(theta) && std::abs(theta) <= kLargestCount;
    return isCount ? formatCount(static_cast<std::int64_t>(theta)) : fmt::format("{}", theta);
}

} // namespace

std::string describeRope(const RopeScaling& rope)
{
    switch (rope.kind) {
    case RopeKind::Default:
        return "default, theta " + thetaText(rope.theta);
    case RopeKind::Linear:
        return fmt::format("linear x {}", rope.factor);
    case RopeKind::Dynamic:
    case RopeKind::Yarn:
    case RopeKind::Llama3:
        return fmt::format("{} x {} over {}", ropeKindName(rope.kind), rope.factor,
                           formatCount(rope.originalMaxPositionEmbeddings));
    }
    return {};
}

} // namespace longlora
