// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/evaluate/passkey_prompt.h"

#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string_view>

namespace longlora {

namespace {

constexpr std::string_view kTask =
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them. "
    "I will quiz you about the important information there.";
constexpr std::string_view kFiller =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ";
constexpr std::string_view kQuestion = "What is the pass key? The pass key is";
constexpr std::int64_t kCharacterLimit = std::int64_t{1} << 30;

/// The numbers of numpy.random.RandomState(seed), as far as randint needs them.
class NumpyRandom {
public:
    explicit NumpyRandom(std::int64_t seed)
        : m_generator(static_cast<std::uint32_t>(seed))
    {}

    /// In [low, high): draws bits under the smallest mask that covers the range until one is in it;
    /// draws none when there is no choice.
    std::int64_t randint(std::int64_t low, std::int64_t high)
    {
        const auto top = static_cast<std::uint32_t>(high - 1 - low);
        std::uint32_t mask = top;
        for (unsigned shift = 1; shift < 32; shift *= 2) {
            mask |= mask >> shift;
        }
        std::uint32_t number = 0;
        if (top != 0) {
            do {
                number = static_cast<std::uint32_t>(m_generator()) & mask;
            } while (number > top);
        }
        return low + number;
    }

private:
    std::mt19937 m_generator;
};

/// The first `count` characters of the filler repeated for ever.
std::string filler(std::int64_t count)
{
    std::string text;
    text.reserve(static_cast<std::size_t>(count));
    while (text.size() < static_cast<std::size_t>(count)) {
        text += kFiller.substr(0, static_cast<std::size_t>(count) - text.size());
    }
    return text;
}

struct Draw {
    std::int64_t prefix = 0; ///< characters before the key
    std::int64_t key = 0;
};

Draw draw(std::int64_t garbageCharacters, std::int64_t seed)
{
    if (garbageCharacters < 0 || garbageCharacters > kCharacterLimit) {
        throw DataError(fmt::format("{} characters of filler are not between 0 and {}",
                                    garbageCharacters, kCharacterLimit));
    }
    NumpyRandom random(seed);
    Draw drawn;
    drawn.prefix = garbageCharacters > 0 ? random.randint(0, garbageCharacters) : 0;
    drawn.key = random.randint(1, 50000);
    return drawn;
}

PasskeyPrompt compose(std::int64_t garbageCharacters, std::int64_t prefix, std::int64_t key,
                      std::int64_t seed)
{
    PasskeyPrompt prompt;
    prompt.answer = std::to_string(key);
    prompt.text =
        fmt::format("{}\n{}\nThe pass key is {}. Remember it. {} is the pass key.\n{}\n{}", kTask,
                    filler(prefix), key, key, filler(garbageCharacters - prefix), kQuestion);
    prompt.depth = garbageCharacters > 0
                       ? static_cast<double>(prefix) / static_cast<double>(garbageCharacters)
                       : 0.0;
    prompt.seed = seed;
    return prompt;
}

} // namespace

PasskeyPrompt passkeyPrompt(std::int64_t garbageCharacters, std::int64_t seed)
{
    const Draw drawn = draw(garbageCharacters, seed);
    return compose(garbageCharacters, drawn.prefix, drawn.key, seed);
}

PasskeyPrompt passkeyPromptAtDepth(std::int64_t garbageCharacters, double depth, std::int64_t seed)
{
    const Draw drawn = draw(garbageCharacters, seed);
    const double place = std::clamp(depth, 0.0, 1.0) * static_cast<double>(garbageCharacters);
    return compose(garbageCharacters, std::llround(place), drawn.key, seed);
}

} // namespace longlora
