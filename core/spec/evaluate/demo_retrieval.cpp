// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/evaluate/demo_retrieval.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>
#include <vector>

namespace longlora {

namespace {

/// std::uniform_int_distribution differs between standard libraries; this does not.
std::uint64_t drawBelow(std::mt19937_64& generator, std::uint64_t bound)
{
    return generator() % bound;
}

/// Whole lines from a random place on, as many as fit into `characters`.
std::vector<std::string_view> passage(std::string_view filler, std::int64_t characters,
                                      std::mt19937_64& generator)
{
    const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(0, characters));
    const std::size_t room = filler.size() > wanted ? filler.size() - wanted : 1;
    std::size_t position = filler.find('\n', drawBelow(generator, room));
    std::vector<std::string_view> lines;
    std::size_t used = 0;
    while (position != std::string_view::npos && position + 1 < filler.size()) {
        const std::size_t begin = position + 1;
        position = filler.find('\n', begin);
        const std::size_t end = std::min(position, filler.size());
        used += end - begin + 1;
        if (used > wanted) {
            break;
        }
        lines.push_back(filler.substr(begin, end - begin));
    }
    return lines;
}

} // namespace

std::string demoKeyLine(const std::string& key)
{
    return "The pass key is " + key + ". Remember it.\n";
}

std::string demoQuestion()
{
    return "What is the pass key? The pass key is";
}

PasskeyPrompt demoRetrievalPrompt(const std::string& filler, std::int64_t characters, double depth,
                                  std::int64_t seed)
{
    std::mt19937_64 generator(static_cast<std::uint64_t>(seed));
    PasskeyPrompt prompt;
    prompt.seed = seed;
    prompt.depth = depth;
    prompt.answer = std::to_string(10000 + drawBelow(generator, 90000));
    const std::string keyLine = demoKeyLine(prompt.answer);
    const auto lines =
        passage(filler, characters - static_cast<std::int64_t>(keyLine.size()), generator);
    const auto keyBefore = static_cast<std::size_t>(
        std::llround(std::clamp(depth, 0.0, 1.0) * static_cast<double>(lines.size())));
    for (std::size_t i = 0; i <= lines.size(); ++i) {
        if (i == keyBefore) {
            prompt.text += keyLine;
        }
        if (i < lines.size()) {
            prompt.text.append(lines[i]).push_back('\n');
        }
    }
    prompt.text += demoQuestion();
    return prompt;
}

} // namespace longlora
