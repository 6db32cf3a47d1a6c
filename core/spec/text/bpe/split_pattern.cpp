// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/split_pattern.h"

#include "core/spec/base/error.h"
#include "core/spec/text/bpe/pattern_translation.h"
#include "core/spec/text/bpe/unicode_versions.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>

namespace longlora {

namespace {

// Steps of one match: published patterns need one or two for each byte they look at.
constexpr std::size_t kSteps = 50'000;
constexpr std::size_t kStepsForByte = 64;
constexpr std::uint32_t kHeapKilobytes = 64 << 10;
constexpr std::size_t kJitStackBytes = std::size_t{8} << 20;

// A match is first looked for in so many bytes. Only where PCRE2 would look further are there more.
constexpr std::size_t kWindowBytes = std::size_t{1} << 10;
// What larger windows may cost together, for each byte of text and besides.
constexpr std::size_t kLookAheadFactor = 64;
constexpr std::size_t kLookAheadBytes = std::size_t{16} << 20;

template <class Type, void (*release)(Type*)>
struct Releasing {
    void operator()(Type* what) const { release(what); }
};
template <class Type, void (*release)(Type*)>
using Owned = std::unique_ptr<Type, Releasing<Type, release>>;

std::string messageOf(int error)
{
    std::array<PCRE2_UCHAR, 200> text = {};
    pcre2_get_error_message(error, text.data(), text.size());
    return reinterpret_cast<const char*>(text.data());
}

bool startsCharacter(char c)
{
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

} // namespace

struct SplitPattern::Code {
    Owned<pcre2_code, pcre2_code_free> code;
    bool isCompiled = false; ///< to machine code; not possible everywhere
};

SplitPattern::SplitPattern(std::string_view pattern)
{
    const std::string translated = pcrePatternOf(pattern);
    const Owned<pcre2_compile_context, pcre2_compile_context_free> context(
        pcre2_compile_context_create(nullptr));
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    int error = 0;
    std::size_t offset = 0;
    auto code = std::make_unique<Code>();
    code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                   translated.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE,
                                   &error, &offset, context.get()));
    if (!code->code) {
        throw DataError("the pattern cannot be compiled: " + messageOf(error));
    }
    std::uint32_t matchesEmpty = 0;
    pcre2_pattern_info(code->code.get(), PCRE2_INFO_MATCHEMPTY, &matchesEmpty);
    if (matchesEmpty != 0) {
        throw DataError("the pattern also finds what is empty, which is not supported");
    }
    code->isCompiled =
        pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0;
    m_code = std::move(code);
}

SplitPattern::~SplitPattern() = default;
SplitPattern::SplitPattern(SplitPattern&& other) noexcept = default;

struct SplitPattern::Finder::State {
    const Code* code = nullptr;
    Owned<pcre2_match_data, pcre2_match_data_free> data;
    Owned<pcre2_match_context, pcre2_match_context_free> context;
    Owned<pcre2_jit_stack, pcre2_jit_stack_free> stack;
    std::string older; ///< the text as PCRE2 reads it, where that is another
    std::string_view text;
    std::size_t position = 0;
    std::size_t lookAheadLeft = 0; ///< bytes
};

SplitPattern::Finder::Finder(const SplitPattern& pattern)
    : m_state(std::make_unique<State>())
{
    m_state->code = pattern.m_code.get();
    m_state->data.reset(pcre2_match_data_create_from_pattern(m_state->code->code.get(), nullptr));
    m_state->context.reset(pcre2_match_context_create(nullptr));
    if (!m_state->data || !m_state->context) {
        throw std::bad_alloc();
    }
    pcre2_set_heap_limit(m_state->context.get(), kHeapKilobytes);
    if (m_state->code->isCompiled) {
        // Grows as it is used, from 32 KB.
        m_state->stack.reset(
            pcre2_jit_stack_create(std::size_t{32} << 10, kJitStackBytes, nullptr));
        pcre2_jit_stack_assign(m_state->context.get(), nullptr, m_state->stack.get());
    }
}

SplitPattern::Finder::~Finder() = default;
SplitPattern::Finder::Finder(Finder&& other) noexcept = default;

void SplitPattern::Finder::start(std::string_view text)
{
    m_state->text = withOlderCharacters(text, m_state->older);
    m_state->position = 0;
    m_state->lookAheadLeft = kLookAheadBytes + kLookAheadFactor * text.size();
}

int SplitPattern::Finder::match(std::size_t end, bool isWhole)
{
    const auto* const subject = reinterpret_cast<PCRE2_SPTR>(m_state->text.data());
    const std::uint32_t partial = isWhole ? 0 : PCRE2_PARTIAL_HARD;
    const std::size_t steps = kSteps + kStepsForByte * (end - m_state->position);
    pcre2_set_match_limit(m_state->context.get(),
                          static_cast<std::uint32_t>(std::min<std::size_t>(
                              steps, std::numeric_limits<std::uint32_t>::max())));
    if (m_state->code->isCompiled) {
        return pcre2_jit_match(m_state->code->code.get(), subject, end, m_state->position, partial,
                               m_state->data.get(), m_state->context.get());
    }
    return pcre2_match(m_state->code->code.get(), subject, end, m_state->position,
                       partial | PCRE2_NO_UTF_CHECK, m_state->data.get(), m_state->context.get());
}

void SplitPattern::Finder::spend(std::size_t bytes)
{
    if (bytes > m_state->lookAheadLeft) {
        throw DataError("the tokenizer's pattern looks far ahead again and again in this text; "
                        "that would take too long",
                        "Divide the text into lines.");
    }
    m_state->lookAheadLeft -= bytes;
}

std::optional<SplitPattern::Match> SplitPattern::Finder::next()
{
    State& state = *m_state;
    std::size_t window = kWindowBytes;
    while (state.position < state.text.size()) {
        std::size_t end = state.text.size();
        if (window < end - state.position) {
            end = state.position + window;
            while (!startsCharacter(state.text[end])) {
                --end;
            }
        }
        const bool isWhole = end == state.text.size();
        const int found = match(end, isWhole);
        if (found == PCRE2_ERROR_PARTIAL || (found == PCRE2_ERROR_NOMATCH && !isWhole)) {
            window *= 4;
            spend(window);
            continue;
        }
        if (found == PCRE2_ERROR_NOMATCH) {
            break;
        }
        if (found < 0) {
            throw DataError(
                fmt::format("the tokenizer's pattern fails at byte {} of a text of {} bytes: {}",
                            state.position, state.text.size(), messageOf(found)),
                "Divide the text into lines.");
        }
        const std::size_t* const range = pcre2_get_ovector_pointer(state.data.get());
        state.position = range[1];
        return Match{range[0], range[1]};
    }
    state.position = state.text.size();
    return std::nullopt;
}

} // namespace longlora
