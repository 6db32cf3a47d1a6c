// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/sampler.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace longlora {

namespace {

[[noreturn]] void refuseSetting(const char* name, double value, const char* range)
{
    throw ConfigError(fmt::format("{} {} is not possible; it must be {}.", name, value, range));
}

} // namespace

TokenId mostLikely(std::span<const float> logits)
{
    std::size_t best = 0;
    bool sound = !logits.empty();
    float highest = -std::numeric_limits<float>::infinity();
    for (std::size_t id = 0; id < logits.size(); ++id) {
        sound = sound && !std::isnan(logits[id]);
        if (logits[id] > highest) {
            highest = logits[id];
            best = id;
        }
    }
    if (!sound || !std::isfinite(highest)) {
        throw DataError("The model's logits are not finite: nothing can be chosen from them.",
                        "The weights are damaged or overflow in this precision; try fp32.");
    }
    return static_cast<TokenId>(best);
}

Sampler::Sampler(const SamplingOptions& options)
    : m_temperature(options.temperature)
    , m_topP(options.topP)
    , m_topK(static_cast<std::size_t>(std::max<std::int64_t>(options.topK, 0)))
    , m_random(static_cast<std::uint64_t>(options.seed))
{
    if (!(m_temperature >= 0.0) || !std::isfinite(m_temperature)) {
        refuseSetting("Temperature", m_temperature, "0 (always the most likely token) or more");
    }
    if (!(m_topP > 0.0 && m_topP <= 1.0)) {
        refuseSetting("Top-p", m_topP, "above 0 and at most 1");
    }
    if (options.topK < 0) {
        refuseSetting("Top-k", static_cast<double>(options.topK), "0 (off) or more");
    }
}

TokenId Sampler::next(std::span<const float> logits)
{
    const TokenId best = mostLikely(logits);
    if (m_temperature == 0.0) {
        return best;
    }
    const double highest = logits[static_cast<std::size_t>(best)];
    m_candidates.clear();
    for (std::size_t id = 0; id < logits.size(); ++id) {
        m_candidates.push_back({static_cast<TokenId>(id), logits[id],
                                std::exp((logits[id] - highest) / m_temperature)});
    }
    keepTopK();
    keepTopP();

    double total = 0.0;
    for (const Candidate& candidate : m_candidates) {
        total += candidate.weight;
    }
    double left = uniform() * total;
    for (const Candidate& candidate : m_candidates) {
        left -= candidate.weight;
        if (left < 0.0) {
            return candidate.id;
        }
    }
    return best; // rounding ate the last sliver
}

/// Total, so that no sorting algorithm can make a difference: of equal logits the lower id counts
/// as the more likely.
bool Sampler::lessLikely(const Candidate& a, const Candidate& b)
{
    return a.logit < b.logit || (a.logit == b.logit && a.id > b.id);
}

void Sampler::keepTopK()
{
    if (m_topK == 0 || m_topK >= m_candidates.size()) {
        return;
    }
    const auto end = m_candidates.begin() + static_cast<std::ptrdiff_t>(m_topK);
    std::partial_sort(m_candidates.begin(), end, m_candidates.end(),
                      [](const Candidate& a, const Candidate& b) { return lessLikely(b, a); });
    m_candidates.erase(end, m_candidates.end());
}

void Sampler::keepTopP()
{
    if (m_topP == 1.0) {
        return;
    }
    double total = 0.0;
    for (const Candidate& candidate : m_candidates) {
        total += candidate.weight;
    }
    // Few of a large vocabulary are needed: a heap finds them without sorting the rest.
    std::make_heap(m_candidates.begin(), m_candidates.end(), lessLikely);
    auto firstKept = m_candidates.end();
    double kept = 0.0;
    while (firstKept != m_candidates.begin() && kept < m_topP * total) {
        std::pop_heap(m_candidates.begin(), firstKept, lessLikely);
        --firstKept;
        kept += firstKept->weight;
    }
    m_candidates.erase(m_candidates.begin(), firstKept);
}

/// In [0, 1): the 53 highest bits, as many as a double holds. std::uniform_real_distribution is
/// free to do otherwise in every standard library.
double Sampler::uniform()
{
    return static_cast<double>(m_random() >> 11) * 0x1.0p-53;
}

} // namespace longlora
