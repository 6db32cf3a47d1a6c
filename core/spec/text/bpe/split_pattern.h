// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace longlora {

/// A regular expression that finds where a text is split, as Oniguruma of Unicode 16 finds it.
/// A match takes steps in proportion to what it looks at, or is refused; so is a pattern that looks
/// far ahead again and again.
class SplitPattern {
public:
    /// Throws: DataError that says what is not supported or wrong.
    explicit SplitPattern(std::string_view pattern);
    ~SplitPattern();
    SplitPattern(SplitPattern&& other) noexcept;

    struct Match {
        std::size_t begin = 0;
        std::size_t end = 0;
    };

    /// Finds the matches in one text after another. One thread; the pattern outlives it.
    class Finder {
    public:
        explicit Finder(const SplitPattern& pattern);
        ~Finder();
        Finder(Finder&& other) noexcept;

        /// Begins with another text, which is UTF-8 and stays as it is until the next.
        void start(std::string_view text);
        /// The first match at or after the end of the last one, never an empty one.
        /// Throws: DataError if the pattern needs too many steps.
        std::optional<Match> next();

    private:
        struct State;
        int match(std::size_t end, bool isWhole);
        void spend(std::size_t bytes);
        std::unique_ptr<State> m_state;
    };

private:
    struct Code;
    std::unique_ptr<const Code> m_code;
};

} // namespace longlora
