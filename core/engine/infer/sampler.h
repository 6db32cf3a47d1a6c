// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"
#include "core/spec/text/tokenizer.h"

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace longlora {

/// The id with the highest logit, the lowest of equals.
/// Throws: DataError if a logit is NaN or positive infinity, or all are negative infinity.
TokenId mostLikely(std::span<const float> logits);

/// Draws tokens: temperature, then the top-k most likely, then of those the fewest that together
/// have at least top-p of the probability. The same seed and logits give the same tokens in every
/// build: the generator and the way from its bits to a number are fixed here.
class Sampler {
public:
    /// Throws: ConfigError for temperature < 0, top-p outside (0, 1], top-k < 0.
    explicit Sampler(const SamplingOptions& options);

    /// Throws: as mostLikely().
    TokenId next(std::span<const float> logits);

private:
    struct Candidate {
        TokenId id;
        float logit;
        double weight; ///< exp((logit - highest) / temperature)
    };
    static bool lessLikely(const Candidate& a, const Candidate& b);
    void keepTopK();
    void keepTopP();
    double uniform();

    double m_temperature;
    double m_topP;
    std::size_t m_topK;
    std::mt19937_64 m_random;
    std::vector<Candidate> m_candidates; ///< kept between draws for its memory only
};

} // namespace longlora
