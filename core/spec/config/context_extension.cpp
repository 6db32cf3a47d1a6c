// SPDX-License-Identifier: GPL-3.0-or-later
// From what a user asks of the context to the numbers a run uses.
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace longlora {

namespace {

RopeKind kindOf(ContextRope rope)
{
    switch (rope) {
    case ContextRope::Yarn:
        return RopeKind::Yarn;
    case ContextRope::Llama3:
        return RopeKind::Llama3;
    case ContextRope::Ntk:
        return RopeKind::Dynamic;
    case ContextRope::Linear:
    case ContextRope::None:
        break;
    }
    return RopeKind::Linear;
}

} // namespace

std::string contextRopeName(RopeKind kind)
{
    return kind == RopeKind::Default   ? "none"
           : kind == RopeKind::Dynamic ? "ntk"
                                       : ropeKindName(kind);
}

namespace {

/// How many times the model's own context is wanted; 1: no extension. A factor asked for counts
/// even where the rows would do without.
double wantedFactor(const ContextConfig& context, std::int64_t ownLength)
{
    const double needed = std::ceil(static_cast<double>(context.length) /
                                    static_cast<double>(std::max<std::int64_t>(1, ownLength)));
    if (!context.factor) {
        return std::max(1.0, needed);
    }
    const double reached = std::floor(static_cast<double>(ownLength) * *context.factor);
    if (static_cast<double>(context.length) > reached) {
        throw ConfigError(
            fmt::format("context.factor {} reaches {} tokens from the model's own {}, not {}",
                        *context.factor, formatCount(static_cast<std::int64_t>(reached)),
                        formatCount(ownLength), formatCount(context.length)),
            fmt::format("Use a factor of {}, or leave it empty.", needed));
    }
    return *context.factor;
}

} // namespace

RopeScaling extendedRope(const ModelConfig& model, const ContextConfig& context)
{
    RopeScaling rope = model.rope;
    if (context.rope == ContextRope::None) {
        return rope;
    }
    const double factor = wantedFactor(context, model.contextLength());
    if (factor <= 1.0) {
        return rope;
    }
    const RopeKind kind = kindOf(context.rope);
    if (rope.kind == RopeKind::Default) {
        rope.kind = kind;
        if (kind != RopeKind::Linear) {
            rope.originalMaxPositionEmbeddings = model.contextLength();
        }
    } else if (rope.kind != kind) {
        throw ConfigError(fmt::format("the model's rotary embedding is {} already and cannot be "
                                      "extended by context.rope {}",
                                      describeRope(rope), contextRopeName(kind)),
                          "Use " + contextRopeName(rope.kind) + " or none.");
    }
    rope.factor *= factor;
    return rope;
}

std::int64_t rowLength(const ModelConfig& model, const RunConfig& config)
{
    return config.context.length > 0 ? config.context.length : model.contextLength();
}

std::int64_t groupSize(const AttentionConfig& attention, std::int64_t length)
{
    if (attention.group) {
        return std::max<std::int64_t>(1, *attention.group);
    }
    const double half = attention.groupRatio * static_cast<double>(length) / 2.0;
    // The comparison also turns NaN, which a form may hold for a moment, into the smallest group.
    return half >= 1.0 ? 2 * std::llround(std::min(half, 1e15)) : 2;
}

} // namespace longlora
