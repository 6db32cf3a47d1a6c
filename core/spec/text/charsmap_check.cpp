// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/charsmap_check.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace longlora {

namespace {

constexpr std::size_t kCharsmapBytes = std::size_t{1} << 20;
constexpr std::size_t kTrieGranule = 1024;
constexpr std::size_t kReplacementBytes = 4096; // real ones stay below 40
constexpr int kMatchesOnPath = 32;              // the library's array for matches of one prefix

/// A unit of a Darts double array. Source: darts-clone, class DoubleArrayUnit.
struct Unit {
    std::uint32_t bits = 0;
    bool isValue() const { return bits >> 31 != 0; }
    std::uint32_t value() const { return bits & 0x7FFFFFFFU; }
    std::uint32_t label() const { return bits & 0xFFU; }
    bool hasLeaf() const { return (bits >> 8 & 1U) != 0; }
    std::uint32_t offset() const { return (bits >> 10) << ((bits & (1U << 9)) >> 6); }
};

Unit unitAt(std::string_view bytes, std::size_t index)
{
    Unit unit;
    for (std::size_t i = 4; i-- > 0;) {
        unit.bits = unit.bits << 8 | static_cast<unsigned char>(bytes[index * 4 + i]);
    }
    return unit;
}

std::string unitProblem(const std::vector<Unit>& units, std::string_view texts)
{
    const Unit root = units.front();
    if (root.isValue() || root.label() != 0 || root.hasLeaf() || root.offset() == 0) {
        return "its root has a label, a leaf or no offset";
    }
    for (std::size_t i = 0; i < units.size(); ++i) {
        const Unit unit = units[i];
        if (unit.isValue()) {
            if (unit.value() >= texts.size()) {
                return "a value points behind the replacement texts";
            }
            continue;
        }
        // Sizes are multiples of 256 units, so all children of a base inside are inside too.
        const std::size_t base = i ^ unit.offset();
        if (base >= units.size()) {
            return "an offset points out of the array";
        }
        if (unit.hasLeaf() && !units[base].isValue()) {
            return "a leaf is no value";
        }
    }
    return {};
}

/// Walks every path from the root once, children before parents, and bounds the matches on a path.
class PathCheck {
public:
    explicit PathCheck(const std::vector<Unit>& units)
        : m_units(units)
        , m_matches(units.size(), kUnseen)
    {}

    std::string problem()
    {
        m_matches[0] = kOpen;
        m_stack.push_back({0, 0, 0});
        while (!m_stack.empty()) {
            if (!step()) {
                return "its array runs in a circle";
            }
        }
        return m_matches[0] > kMatchesOnPath ? "more than 32 entries begin with one another" : "";
    }

private:
    static constexpr int kUnseen = -1;
    static constexpr int kOpen = -2;
    struct Frame {
        std::size_t unit = 0;
        std::uint32_t nextLabel = 0;
        int deepest = 0; ///< matches below, on the path that has most
    };

    /// Visits one child of the top of the stack, or closes it. False for a cycle.
    bool step()
    {
        Frame& top = m_stack.back();
        const std::size_t base = top.unit ^ m_units[top.unit].offset();
        for (; top.nextLabel < 256; ++top.nextLabel) {
            const std::size_t child = base ^ top.nextLabel;
            if (m_units[child].isValue() || m_units[child].label() != top.nextLabel) {
                continue;
            }
            if (m_matches[child] == kOpen) {
                return false;
            }
            if (m_matches[child] == kUnseen) {
                m_matches[child] = kOpen;
                m_stack.push_back({child, 0, 0});
                return true;
            }
            top.deepest = std::max(top.deepest, m_matches[child]);
        }
        m_matches[top.unit] = top.deepest + (m_units[top.unit].hasLeaf() ? 1 : 0);
        m_stack.pop_back();
        return true;
    }

    const std::vector<Unit>& m_units;
    std::vector<int> m_matches;
    std::vector<Frame> m_stack;
};

std::string replacementProblem(std::string_view texts)
{
    if (texts.empty() || texts.back() != '\0') {
        return "its replacement texts do not end in NUL";
    }
    while (!texts.empty()) {
        const std::size_t end = texts.find('\0');
        if (end > kReplacementBytes) {
            return "a replacement text is longer than 4 KB";
        }
        texts.remove_prefix(end + 1);
    }
    return {};
}

} // namespace

std::string charsmapProblem(std::string_view charsmap)
{
    if (charsmap.empty()) {
        return {};
    }
    if (charsmap.size() > kCharsmapBytes) {
        return "it is larger than 1 MB";
    }
    if (charsmap.size() <= 4) {
        return "it is too short";
    }
    const std::size_t trieBytes = unitAt(charsmap, 0).bits;
    if (trieBytes < kTrieGranule || trieBytes % kTrieGranule != 0) {
        return "its array is not a multiple of 1,024 bytes";
    }
    if (trieBytes >= charsmap.size() - 4) {
        return "its array reaches beyond its end";
    }
    const std::string_view trie = charsmap.substr(4, trieBytes);
    const std::string_view texts = charsmap.substr(4 + trieBytes);
    std::vector<Unit> units;
    units.reserve(trieBytes / 4);
    for (std::size_t i = 0; i < trieBytes / 4; ++i) {
        units.push_back(unitAt(trie, i));
    }
    std::string problem = replacementProblem(texts);
    if (problem.empty()) {
        problem = unitProblem(units, texts);
    }
    return problem.empty() ? PathCheck(units).problem() : problem;
}

} // namespace longlora
