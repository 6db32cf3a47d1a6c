// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/pre_tokenizer.h"

#include "core/spec/text/bpe/text_normalizer.h"
#include "core/spec/text/bpe/unicode_versions.h"
#include "core/spec/text/utf8.h"

#include <optional>
#include <utility>

namespace longlora {

namespace {

using Range = SplitPattern::Match;

/// Joins ranges of a text, found or not, into pieces as a behavior wants them.
template <class Take>
class PieceMaker {
public:
    PieceMaker(SplitBehavior behavior, Take& take)
        : m_behavior(behavior)
        , m_take(take)
    {}

    void add(Range range, bool isFound)
    {
        if (m_behavior == SplitBehavior::Removed) {
            if (!isFound) {
                m_take(range);
            }
            return;
        }
        if (hasPending() && joins(isFound)) {
            m_pending.end = range.end;
        } else {
            finish();
            m_pending = range;
        }
        m_wasFound = isFound;
    }

    void finish()
    {
        if (hasPending()) {
            m_take(m_pending);
            m_pending = {};
        }
    }

private:
    bool hasPending() const { return m_pending.begin != m_pending.end; }

    /// Whether a range goes with the one before it.
    bool joins(bool isFound) const
    {
        switch (m_behavior) {
        case SplitBehavior::MergedWithPrevious:
            return isFound && !m_wasFound;
        case SplitBehavior::MergedWithNext:
            return !isFound && m_wasFound;
        case SplitBehavior::Contiguous:
            return isFound == m_wasFound;
        default:
            return false;
        }
    }

    SplitBehavior m_behavior;
    Take& m_take;
    Range m_pending; ///< empty: none
    bool m_wasFound = false;
};

} // namespace

PreTokenizer::PreTokenizer(std::vector<PreTokenizerStage> stages)
    : m_stages(std::move(stages))
{}

PreTokenizer::Run::Run(const PreTokenizer& preTokenizer, TakeWord take)
    : m_preTokenizer(preTokenizer)
    , m_take(std::move(take))
{
    for (const PreTokenizerStage& stage : preTokenizer.m_stages) {
        const auto* split = std::get_if<PatternSplit>(&stage);
        m_finders.push_back(
            split == nullptr ? nullptr : std::make_unique<SplitPattern::Finder>(split->pattern));
    }
}

void PreTokenizer::Run::split(std::string_view text, bool isFirst)
{
    apply(0, {text, isFirst});
}

void PreTokenizer::Run::apply(std::size_t stage, const Piece& piece)
{
    if (piece.text.empty()) {
        return;
    }
    if (stage == m_preTokenizer.m_stages.size()) {
        m_take(piece.text);
        return;
    }
    std::visit([&](const auto& split) { applyTo(split, stage, piece); },
               m_preTokenizer.m_stages[stage]);
}

/// `find(from)`: the first range at or after `from` that is found, not empty.
template <class Find>
void PreTokenizer::Run::splitBy(Find&& find, SplitBehavior behavior, bool invert, std::size_t stage,
                                const Piece& piece)
{
    const auto take = [&](Range range) {
        apply(stage + 1, {piece.text.substr(range.begin, range.end - range.begin),
                          piece.isFirst && range.begin == 0});
    };
    PieceMaker maker(behavior, take);
    std::size_t begin = 0;
    while (const std::optional<Range> found = find(begin)) {
        if (begin < found->begin) {
            maker.add({begin, found->begin}, invert);
        }
        maker.add(*found, !invert);
        begin = found->end;
    }
    if (begin < piece.text.size()) {
        maker.add({begin, piece.text.size()}, invert);
    }
    maker.finish();
}

void PreTokenizer::Run::applyTo(const PatternSplit& split, std::size_t stage, const Piece& piece)
{
    SplitPattern::Finder& finder = *m_finders[stage];
    finder.start(piece.text);
    splitBy([&](std::size_t) { return finder.next(); }, split.behavior, split.invert, stage, piece);
}

void PreTokenizer::Run::applyTo(const LiteralSplit& split, std::size_t stage, const Piece& piece)
{
    const auto find = [&](std::size_t from) -> std::optional<Range> {
        const std::size_t found = piece.text.find(split.literal, from);
        if (found == std::string_view::npos) {
            return std::nullopt;
        }
        return Range{found, found + split.literal.size()};
    };
    splitBy(find, split.behavior, split.invert, stage, piece);
}

void PreTokenizer::Run::applyTo(const DigitSplit& split, std::size_t stage, const Piece& piece)
{
    const auto find = [&](std::size_t from) -> std::optional<Range> {
        while (from < piece.text.size()) {
            const auto [codePoint, length] = utf8CharacterAt(piece.text, from);
            if (isNumeric(codePoint)) {
                return Range{from, from + length};
            }
            from += length;
        }
        return std::nullopt;
    };
    splitBy(find, split.isIndividual ? SplitBehavior::Isolated : SplitBehavior::Contiguous, false,
            stage, piece);
}

void PreTokenizer::Run::applyTo(const MetaspaceSplit& split, std::size_t stage, const Piece& piece)
{
    using Prepend = MetaspaceSplit::Prepend;
    std::string text = withReplacements(piece.text, {" ", split.symbol});
    if (!text.starts_with(split.symbol) &&
        (split.prepend == Prepend::Always || (split.prepend == Prepend::First && piece.isFirst))) {
        text.insert(0, split.symbol);
    }
    const Piece changed = {text, piece.isFirst};
    if (split.splits) {
        applyTo(LiteralSplit{split.symbol, SplitBehavior::MergedWithNext}, stage, changed);
    } else {
        apply(stage + 1, changed);
    }
}

void PreTokenizer::Run::applyTo(const SpacePrefix&, std::size_t stage, const Piece& piece)
{
    if (piece.text.starts_with(' ')) {
        apply(stage + 1, piece);
    } else {
        const std::string text = " " + std::string(piece.text);
        apply(stage + 1, {text, piece.isFirst});
    }
}

} // namespace longlora
