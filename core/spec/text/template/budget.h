// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/value.h"

#include <cstddef>
#include <cstdint>

namespace longlora::jinja {

constexpr std::size_t kSourceBytes = std::size_t{1} << 20;
constexpr std::int64_t kSteps = 1'000'000;
constexpr std::size_t kTextBytes = std::size_t{16} << 20;  ///< of the output and of each text
constexpr std::size_t kMadeBytes = std::size_t{256} << 20; ///< of all texts and lists together
constexpr std::int64_t kRangeLength = 100'000;
constexpr int kSyntaxDepth = 64; ///< blocks in blocks, brackets in brackets
constexpr int kTreeDepth = 200;  ///< operators in a row
constexpr int kCallDepth = 400;  ///< evaluations inside one another
constexpr int kValueDepth = 64;  ///< lists in lists

/// What one rendering may still cost. A template of a model is code that nobody has read.
class Budget {
public:
    /// Throws: Failure when a million is used up.
    void step(std::int64_t count = 1)
    {
        m_steps += count;
        if (m_steps > kSteps) {
            throw Failure("the template takes more than 1,000,000 steps");
        }
    }

    /// Before `bytes` of text or list are made. Throws: Failure.
    void make(std::size_t bytes)
    {
        m_made += bytes;
        if (bytes > kTextBytes || m_made > kMadeBytes) {
            throw Failure("the template makes texts or lists larger than 16 MB, or 256 MB of them");
        }
        step(static_cast<std::int64_t>(bytes / kBytesForStep));
    }

private:
    static constexpr std::size_t kBytesForStep = 1024;

    std::int64_t m_steps = 0;
    std::size_t m_made = 0;
};

} // namespace longlora::jinja
