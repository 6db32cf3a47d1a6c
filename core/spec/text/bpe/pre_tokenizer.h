// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/bpe/split_pattern.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace longlora {

/// What becomes of the text that a pattern has found.
enum class SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

/// Splits at what `pattern` finds; `invert`: at what it does not find.
struct PatternSplit {
    SplitPattern pattern;
    SplitBehavior behavior = SplitBehavior::Isolated;
    bool invert = false;
};
struct LiteralSplit {
    std::string literal; ///< not empty
    SplitBehavior behavior = SplitBehavior::Isolated;
    bool invert = false;
};
/// Each digit, or each run of them, becomes a piece.
struct DigitSplit {
    bool isIndividual = false;
};
/// Spaces become `symbol`; a text that begins with none gets one.
struct MetaspaceSplit {
    enum class Prepend { Always, First, Never };
    std::string symbol;
    Prepend prepend = Prepend::Always;
    bool splits = true; ///< before each symbol
};
/// A piece that begins with none gets a space.
struct SpacePrefix {};
using PreTokenizerStage =
    std::variant<PatternSplit, LiteralSplit, DigitSplit, MetaspaceSplit, SpacePrefix>;

/// Splits a text into words: "pre_tokenizer" of `tokenizer.json`.
class PreTokenizer {
public:
    using TakeWord = std::function<void(std::string_view word)>;

    explicit PreTokenizer(std::vector<PreTokenizerStage> stages = {});

    /// Splits one text after another. One thread; the pre-tokenizer outlives it.
    class Run {
    public:
        Run(const PreTokenizer& preTokenizer, TakeWord take);
        /// `isFirst`: `text` (UTF-8) stands at the beginning of everything that is encoded.
        void split(std::string_view text, bool isFirst);

    private:
        struct Piece {
            std::string_view text;
            bool isFirst = false;
        };
        void apply(std::size_t stage, const Piece& piece);
        void applyTo(const PatternSplit& split, std::size_t stage, const Piece& piece);
        void applyTo(const LiteralSplit& split, std::size_t stage, const Piece& piece);
        void applyTo(const DigitSplit& split, std::size_t stage, const Piece& piece);
        void applyTo(const MetaspaceSplit& split, std::size_t stage, const Piece& piece);
        void applyTo(const SpacePrefix& prefix, std::size_t stage, const Piece& piece);
        template <class Find>
        void splitBy(Find&& find, SplitBehavior behavior, bool invert, std::size_t stage,
                     const Piece& piece);

        const PreTokenizer& m_preTokenizer;
        TakeWord m_take;
        std::vector<std::unique_ptr<SplitPattern::Finder>> m_finders; ///< by stage
    };

private:
    std::vector<PreTokenizerStage> m_stages;
};

} // namespace longlora
