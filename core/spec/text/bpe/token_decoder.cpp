// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/bpe/token_decoder.h"

#include "core/spec/text/bpe/byte_alphabet.h"
#include "core/spec/text/utf8.h"

#include <charconv>
#include <optional>
#include <utility>

namespace longlora {

namespace {

using Tokens = std::vector<std::string>;

std::string joined(const Tokens& tokens, std::string_view between)
{
    std::string text;
    for (const std::string& token : tokens) {
        text += &token == tokens.data() ? "" : between;
        text += token;
    }
    return text;
}

/// "<0x0A>": 10.
std::optional<char> byteOf(std::string_view token)
{
    constexpr std::size_t kLength = 6;
    if (token.size() != kLength || !token.starts_with("<0x") || !token.ends_with('>')) {
        return std::nullopt;
    }
    const std::string_view digits = token.substr(3, 2);
    unsigned char byte = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (error != std::errc() || stop != digits.data() + digits.size()) {
        return std::nullopt;
    }
    return static_cast<char>(byte);
}

void apply(const JoinByteLevel&, Tokens& tokens)
{
    std::string bytes;
    for (const std::string& token : tokens) {
        bytes += bytesOfToken(token).value_or(token);
    }
    std::string text;
    appendWithReplacements(text, bytes);
    tokens = {std::move(text)};
}

void apply(const JoinBytes&, Tokens& tokens)
{
    Tokens result;
    std::string run;
    const auto endRun = [&] {
        for (std::size_t i = 0; i < run.size();) {
            const std::size_t length = utf8CharacterLength(run, i);
            result.push_back(length == 0 ? "\xEF\xBF\xBD" : run.substr(i, length)); // U+FFFD
            i += length == 0 ? 1 : length;
        }
        run.clear();
    };
    for (std::string& token : tokens) {
        if (const std::optional<char> byte = byteOf(token)) {
            run += *byte;
        } else {
            endRun();
            result.push_back(std::move(token));
        }
    }
    endRun();
    tokens = std::move(result);
}

void apply(const FuseTokens&, Tokens& tokens)
{
    tokens = {joined(tokens, "")};
}

void apply(const StripTokens& strip, Tokens& tokens)
{
    for (std::string& token : tokens) {
        std::string_view rest = token;
        for (std::size_t i = 0; i < strip.start && rest.starts_with(strip.character); ++i) {
            rest.remove_prefix(strip.character.size());
        }
        for (std::size_t i = 0; i < strip.stop && rest.ends_with(strip.character); ++i) {
            rest.remove_suffix(strip.character.size());
        }
        token = std::string(rest);
    }
}

void apply(const MetaspaceToSpace& metaspace, Tokens& tokens)
{
    for (std::string& token : tokens) {
        const bool drops = metaspace.dropsInFirst && &token == tokens.data();
        token = withReplacements(token, {metaspace.symbol, drops ? "" : " "});
    }
}

void apply(const ReplaceText& replacement, Tokens& tokens)
{
    for (std::string& token : tokens) {
        token = withReplacements(token, replacement);
    }
}

} // namespace

TokenDecoder::TokenDecoder(std::vector<DecoderStep> steps)
    : m_steps(std::move(steps))
{}

std::string TokenDecoder::decode(std::vector<std::string> tokens) const
{
    for (const DecoderStep& step : m_steps) {
        std::visit([&](const auto& known) { apply(known, tokens); }, step);
    }
    return joined(tokens, m_steps.empty() ? " " : "");
}

} // namespace longlora
