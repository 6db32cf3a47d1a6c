// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/unicode_versions.h"

#include "core/spec/text/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace longlora {

namespace {

/// General categories as far as patterns can tell them apart; Han: Lo and of that script.
enum class Kind { Lu, Ll, Lm, Lo, Han, M, Nd, No, P, S };

struct KindRange {
    char32_t first;
    char32_t last;
    Kind kind;
};

struct Range {
    char32_t first;
    char32_t last;
};

// What Unicode 15, 15.1 and 16 added to Unicode 14.
constexpr KindRange kAdded[] = {
    {0x897, 0x897, Kind::M},      {0xCF3, 0xCF3, Kind::M},       {0xECE, 0xECE, Kind::M},
    {0x1B4E, 0x1B4F, Kind::P},    {0x1B7F, 0x1B7F, Kind::P},     {0x1C89, 0x1C89, Kind::Lu},
    {0x1C8A, 0x1C8A, Kind::Ll},   {0x2427, 0x2429, Kind::S},     {0x2FFC, 0x2FFF, Kind::S},
    {0x31E4, 0x31E5, Kind::S},    {0x31EF, 0x31EF, Kind::S},     {0xA7CB, 0xA7CC, Kind::Lu},
    {0xA7CD, 0xA7CD, Kind::Ll},   {0xA7DA, 0xA7DA, Kind::Lu},    {0xA7DB, 0xA7DB, Kind::Ll},
    {0xA7DC, 0xA7DC, Kind::Lu},   {0x105C0, 0x105F3, Kind::Lo},  {0x10D40, 0x10D49, Kind::Nd},
    {0x10D4A, 0x10D4D, Kind::Lo}, {0x10D4E, 0x10D4E, Kind::Lm},  {0x10D4F, 0x10D4F, Kind::Lo},
    {0x10D50, 0x10D65, Kind::Lu}, {0x10D69, 0x10D6D, Kind::M},   {0x10D6E, 0x10D6E, Kind::P},
    {0x10D6F, 0x10D6F, Kind::Lm}, {0x10D70, 0x10D85, Kind::Ll},  {0x10D8E, 0x10D8F, Kind::S},
    {0x10EC2, 0x10EC4, Kind::Lo}, {0x10EFC, 0x10EFF, Kind::M},   {0x1123F, 0x11240, Kind::Lo},
    {0x11241, 0x11241, Kind::M},  {0x11380, 0x11389, Kind::Lo},  {0x1138B, 0x1138B, Kind::Lo},
    {0x1138E, 0x1138E, Kind::Lo}, {0x11390, 0x113B5, Kind::Lo},  {0x113B7, 0x113B7, Kind::Lo},
    {0x113B8, 0x113C0, Kind::M},  {0x113C2, 0x113C2, Kind::M},   {0x113C5, 0x113C5, Kind::M},
    {0x113C7, 0x113CA, Kind::M},  {0x113CC, 0x113D0, Kind::M},   {0x113D1, 0x113D1, Kind::Lo},
    {0x113D2, 0x113D2, Kind::M},  {0x113D3, 0x113D3, Kind::Lo},  {0x113D4, 0x113D5, Kind::P},
    {0x113D7, 0x113D8, Kind::P},  {0x113E1, 0x113E2, Kind::M},   {0x116D0, 0x116E3, Kind::Nd},
    {0x11B00, 0x11B09, Kind::P},  {0x11BC0, 0x11BE0, Kind::Lo},  {0x11BE1, 0x11BE1, Kind::P},
    {0x11BF0, 0x11BF9, Kind::Nd}, {0x11F00, 0x11F01, Kind::M},   {0x11F02, 0x11F02, Kind::Lo},
    {0x11F03, 0x11F03, Kind::M},  {0x11F04, 0x11F10, Kind::Lo},  {0x11F12, 0x11F33, Kind::Lo},
    {0x11F34, 0x11F3A, Kind::M},  {0x11F3E, 0x11F42, Kind::M},   {0x11F43, 0x11F4F, Kind::P},
    {0x11F50, 0x11F59, Kind::Nd}, {0x11F5A, 0x11F5A, Kind::M},   {0x1342F, 0x1342F, Kind::Lo},
    {0x13440, 0x13440, Kind::M},  {0x13441, 0x13446, Kind::Lo},  {0x13447, 0x13455, Kind::M},
    {0x13460, 0x143FA, Kind::Lo}, {0x16100, 0x1611D, Kind::Lo},  {0x1611E, 0x1612F, Kind::M},
    {0x16130, 0x16139, Kind::Nd}, {0x16D40, 0x16D42, Kind::Lm},  {0x16D43, 0x16D6A, Kind::Lo},
    {0x16D6B, 0x16D6C, Kind::Lm}, {0x16D6D, 0x16D6F, Kind::P},   {0x16D70, 0x16D79, Kind::Nd},
    {0x18CFF, 0x18CFF, Kind::Lo}, {0x1B132, 0x1B132, Kind::Lo},  {0x1B155, 0x1B155, Kind::Lo},
    {0x1CC00, 0x1CCEF, Kind::S},  {0x1CCF0, 0x1CCF9, Kind::Nd},  {0x1CD00, 0x1CEB3, Kind::S},
    {0x1D2C0, 0x1D2D3, Kind::No}, {0x1DF25, 0x1DF2A, Kind::Ll},  {0x1E030, 0x1E06D, Kind::Lm},
    {0x1E08F, 0x1E08F, Kind::M},  {0x1E4D0, 0x1E4EA, Kind::Lo},  {0x1E4EB, 0x1E4EB, Kind::Lm},
    {0x1E4EC, 0x1E4EF, Kind::M},  {0x1E4F0, 0x1E4F9, Kind::Nd},  {0x1E5D0, 0x1E5ED, Kind::Lo},
    {0x1E5EE, 0x1E5EF, Kind::M},  {0x1E5F0, 0x1E5F0, Kind::Lo},  {0x1E5F1, 0x1E5FA, Kind::Nd},
    {0x1E5FF, 0x1E5FF, Kind::P},  {0x1F6DC, 0x1F6DC, Kind::S},   {0x1F774, 0x1F776, Kind::S},
    {0x1F77B, 0x1F77F, Kind::S},  {0x1F7D9, 0x1F7D9, Kind::S},   {0x1F8B2, 0x1F8BB, Kind::S},
    {0x1F8C0, 0x1F8C1, Kind::S},  {0x1FA75, 0x1FA77, Kind::S},   {0x1FA87, 0x1FA89, Kind::S},
    {0x1FA8F, 0x1FA8F, Kind::S},  {0x1FAAD, 0x1FAAF, Kind::S},   {0x1FABB, 0x1FABF, Kind::S},
    {0x1FAC6, 0x1FAC6, Kind::S},  {0x1FACE, 0x1FACF, Kind::S},   {0x1FADA, 0x1FADC, Kind::S},
    {0x1FADF, 0x1FADF, Kind::S},  {0x1FAE8, 0x1FAE9, Kind::S},   {0x1FAF7, 0x1FAF8, Kind::S},
    {0x1FBCB, 0x1FBEF, Kind::S},  {0x2B739, 0x2B739, Kind::Han}, {0x2EBF0, 0x2EE5D, Kind::Han},
    {0x31350, 0x323AF, Kind::Han}};

// Digits of Unicode 17, which no pattern knows yet.
constexpr Range kNewestDigits[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

// Characters of Unicode 10 to 18 with a combining class or a decomposition, or part of one.
constexpr Range kNewInNormalization[] = {
    {0x5C8, 0x5C9},     {0x7FD, 0x7FD},     {0x897, 0x89F},     {0x8CA, 0x8D3},
    {0x9FE, 0x9FE},     {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},
    {0x1715, 0x1715},   {0x1ABF, 0x1AF0},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
    {0x105C9, 0x105C9}, {0x105D2, 0x105D2}, {0x105DA, 0x105DA}, {0x105E4, 0x105E4},
    {0x10D24, 0x10D27}, {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC}, {0x10ECB, 0x10ECF},
    {0x10EF0, 0x10EFB}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x11382, 0x11385}, {0x1138B, 0x1138B},
    {0x1138E, 0x1138E}, {0x11390, 0x11391}, {0x113B8, 0x113B8}, {0x113BB, 0x113BB},
    {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113C9}, {0x113CE, 0x113D0},
    {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11935, 0x11935},
    {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42},
    {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x1611E, 0x16129},
    {0x1612F, 0x1612F}, {0x16D63, 0x16D63}, {0x16D67, 0x16D6A}, {0x16FF0, 0x16FF1},
    {0x1D127, 0x1D128}, {0x1D250, 0x1D252}, {0x1D25B, 0x1D25C}, {0x1D25F, 0x1D25F},
    {0x1D280, 0x1D281}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6E3},
    {0x1E6E6, 0x1E6E6}, {0x1E6EE, 0x1E6EF}, {0x1E6F5, 0x1E6F5}};

/// The range that holds `codePoint`; null if none does.
template <class AnyRange, std::size_t count>
const AnyRange* rangeOf(const AnyRange (&ranges)[count], char32_t codePoint)
{
    const auto* const after =
        std::upper_bound(std::begin(ranges), std::end(ranges), codePoint,
                         [](char32_t value, const AnyRange& range) { return value < range.first; });
    if (after == std::begin(ranges) || codePoint > std::prev(after)->last) {
        return nullptr;
    }
    return std::prev(after);
}

/// A character of Unicode 14: too young to stand in a pattern by itself.
char32_t olderCharacter(Kind kind, bool hasThreeBytes)
{
    switch (kind) {
    case Kind::Lu:
        return hasThreeBytes ? 0x2C2F : 0x10570;
    case Kind::Ll:
        return hasThreeBytes ? 0x2C5F : 0x10597;
    case Kind::Lm:
        return 0x10780;
    case Kind::Lo:
        return 0x12F90;
    case Kind::Han:
        return 0x2A6DE;
    case Kind::M:
        return hasThreeBytes ? 0x1ACE : 0x1CF00;
    case Kind::Nd:
        return 0x1FBF0; // of Unicode 13: 14 has no new digits
    case Kind::No:
        return 0x10FC5; // of Unicode 13
    case Kind::P:
        return hasThreeBytes ? 0x2E53 : 0x12FF1;
    case Kind::S:
        return hasThreeBytes ? 0x20C0 : 0x1FAF0;
    }
    return 0;
}

} // namespace

std::string_view withOlderCharacters(std::string_view text, std::string& buffer)
{
    constexpr unsigned char kLeadOfThreeBytes = 0xE0;
    bool isChanged = false;
    for (std::size_t i = 0; i < text.size();) {
        if (static_cast<unsigned char>(text[i]) < kLeadOfThreeBytes) {
            ++i;
            continue;
        }
        const auto [codePoint, length] = utf8CharacterAt(text, i);
        if (const KindRange* range = rangeOf(kAdded, codePoint)) {
            if (!isChanged) {
                buffer.assign(text);
                isChanged = true;
            }
            std::string older;
            appendUtf8(older, olderCharacter(range->kind, length == 3));
            buffer.replace(i, length, older);
        }
        i += length;
    }
    return isChanged ? std::string_view(buffer) : text;
}

bool isNumeric(char32_t codePoint)
{
    if (codePoint < 0x80) {
        return codePoint >= U'0' && codePoint <= U'9';
    }
    const utf8proc_category_t category =
        utf8proc_category(static_cast<utf8proc_int32_t>(codePoint));
    if (category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
        category == UTF8PROC_CATEGORY_NO) {
        return true;
    }
    const KindRange* added = rangeOf(kAdded, codePoint);
    return (added != nullptr && (added->kind == Kind::Nd || added->kind == Kind::No)) ||
           rangeOf(kNewestDigits, codePoint) != nullptr;
}

bool isWhiteSpace(char32_t codePoint)
{
    return (codePoint >= 0x09 && codePoint <= 0x0D) || codePoint == 0x20 || codePoint == 0x85 ||
           codePoint == 0xA0 || codePoint == 0x1680 ||
           (codePoint >= 0x2000 && codePoint <= 0x200A) || codePoint == 0x2028 ||
           codePoint == 0x2029 || codePoint == 0x202F || codePoint == 0x205F || codePoint == 0x3000;
}

bool isNewInNormalization(char32_t codePoint)
{
    return rangeOf(kNewInNormalization, codePoint) != nullptr;
}

} // namespace longlora
