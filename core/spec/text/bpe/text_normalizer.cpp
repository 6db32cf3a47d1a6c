// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/text_normalizer.h"

#include "core/spec/base/error.h"
#include "core/spec/text/bpe/unicode_versions.h"
#include "core/spec/text/utf8.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

namespace longlora {

namespace {

using CodePoints = std::vector<utf8proc_int32_t>;

// Below it every character stands for itself in form C.
constexpr unsigned char kLeadOfU0300 = 0xCC;
constexpr std::size_t kLongestGrowth = 16;
constexpr std::size_t kLongestResult = std::size_t{64} << 20;

int combiningClass(utf8proc_int32_t codePoint)
{
    return utf8proc_get_property(codePoint)->combining_class;
}

/// Puts the marks behind each base into canonical order. (The library's own way takes time in
/// proportion to the square of their number.)
void orderMarks(CodePoints& codePoints)
{
    for (std::size_t i = 0; i < codePoints.size();) {
        std::size_t end = i;
        while (end < codePoints.size() && combiningClass(codePoints[end]) != 0) {
            ++end;
        }
        std::stable_sort(codePoints.begin() + static_cast<std::ptrdiff_t>(i),
                         codePoints.begin() + static_cast<std::ptrdiff_t>(end),
                         [](utf8proc_int32_t left, utf8proc_int32_t right) {
                             return combiningClass(left) < combiningClass(right);
                         });
        i = std::max(end, i + 1);
    }
}

/// Appends the composition of `decomposed`, which is empty then.
void appendComposed(CodePoints& decomposed, std::string& text)
{
    orderMarks(decomposed);
    const utf8proc_ssize_t count = utf8proc_normalize_utf32(
        decomposed.data(), static_cast<utf8proc_ssize_t>(decomposed.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
        appendUtf8(text, static_cast<char32_t>(decomposed[static_cast<std::size_t>(i)]));
    }
    decomposed.clear();
}

void appendDecomposed(char32_t codePoint, CodePoints& decomposed)
{
    std::array<utf8proc_int32_t, 32> parts = {};
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(codePoint), parts.data(),
        static_cast<utf8proc_ssize_t>(parts.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &boundary);
    decomposed.insert(decomposed.end(), parts.begin(), parts.begin() + count);
}

template <class... Callables>
struct Overloaded : Callables... {
    using Callables::operator()...;
};
template <class... Callables>
Overloaded(Callables...) -> Overloaded<Callables...>;

} // namespace

TextNormalizer::TextNormalizer(std::vector<NormalizerStep> steps)
    : m_steps(std::move(steps))
{}

std::string TextNormalizer::normalize(std::string_view text) const
{
    std::string result(text);
    for (const NormalizerStep& step : m_steps) {
        std::visit(
            Overloaded{[&](const ComposeCanonically&) { result = composedCanonically(result); },
                       [&](const PrependText& prepend) {
                           result.insert(0, result.empty() ? "" : prepend.text);
                       },
                       [&](const ReplaceText& replacement) {
                           result = withReplacements(result, replacement);
                       }},
            step);
    }
    return result;
}

std::string composedCanonically(std::string_view text)
{
    std::string result;
    result.reserve(text.size());
    CodePoints decomposed;
    std::size_t i = 0;
    while (i < text.size()) {
        // Of a run below U+0300 only the last character can meet marks behind it.
        std::size_t end = i;
        while (end < text.size() && static_cast<unsigned char>(text[end]) < kLeadOfU0300) {
            ++end;
        }
        if (end > i) {
            appendComposed(decomposed, result);
            const std::size_t last = end < text.size() ? utf8CharacterBefore(text, end) : end;
            result += text.substr(i, last - i);
            i = last;
        }
        while (i < text.size() &&
               (i <= end || static_cast<unsigned char>(text[i]) >= kLeadOfU0300)) {
            const auto [codePoint, length] = utf8CharacterAt(text, i);
            if (isNewInNormalization(codePoint)) {
                appendComposed(decomposed, result);
                appendUtf8(result, codePoint);
            } else {
                appendDecomposed(codePoint, decomposed);
            }
            i += length;
        }
    }
    appendComposed(decomposed, result);
    return result;
}

std::string withReplacements(std::string_view text, const ReplaceText& replacement)
{
    const auto& [pattern, content] = replacement;
    const std::size_t longest = kLongestResult + kLongestGrowth * text.size();
    std::string result;
    result.reserve(text.size());
    std::size_t begin = 0;
    for (std::size_t found = text.find(pattern); found != std::string_view::npos;
         found = text.find(pattern, begin)) {
        result += text.substr(begin, found - begin);
        result += content;
        begin = found + pattern.size();
        if (result.size() > longest) {
            throw DataError(fmt::format("the tokenizer makes {} bytes of text longer than {} bytes",
                                        text.size(), longest));
        }
    }
    result += text.substr(begin);
    return result;
}

} // namespace longlora
