// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/text/tokenizer.h"

#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/text/bpe/json_tokenizer.h"
#include "core/spec/text/sentencepiece_tokenizer.h"
#include "core/spec/text/tokenizer_file.h"
#include "core/spec/text/tokenizer_settings.h"

#include <algorithm>
#include <utility>

namespace longlora {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD
// An unfinished character is at most three bytes, each of which decodes to U+FFFD by itself.
constexpr std::size_t kUncertainReplacements = 3;
// Long enough that a character split over byte tokens ends in it, short enough to be cheap.
constexpr std::size_t kWindowTokens = 16;
constexpr std::size_t kContextTokens = 6;

/// Bytes at the end of `text` that a later token may still change.
std::size_t uncertainBytes(std::string_view text)
{
    std::size_t count = 0;
    while (count < kUncertainReplacements && text.ends_with(kReplacement)) {
        text.remove_suffix(kReplacement.size());
        ++count;
    }
    return count * kReplacement.size();
}

} // namespace

std::unique_ptr<Tokenizer> loadTokenizerFile(const std::filesystem::path& file)
{
    constexpr std::uintmax_t kModelBytes = std::uintmax_t{64} << 20;
    constexpr std::uintmax_t kJsonBytes = std::uintmax_t{128} << 20;
    TokenizerSettings settings = readTokenizerSettings(file.parent_path());
    if (file.filename() == "tokenizer.model") {
        return std::make_unique<SentencePieceTokenizer>(readWholeFile(file, kModelBytes),
                                                        file.string(), std::move(settings));
    }
    return std::make_unique<JsonTokenizer>(readWholeFile(file, kJsonBytes), file.string(),
                                           std::move(settings));
}

std::unique_ptr<Tokenizer> loadTokenizer(const std::filesystem::path& folder)
{
    for (const char* name : {"tokenizer.model", "tokenizer.json"}) {
        if (entryExists(folder / name)) {
            return loadTokenizerFile(folder / name);
        }
    }
    throw DataError(folder.string() +
                        " has no tokenizer: tokenizer.model and tokenizer.json are missing",
                    "Copy one of them from where the model came from into this folder.");
}

StreamingDecoder::StreamingDecoder(const Tokenizer& tokenizer)
    : m_tokenizer(tokenizer)
{}

std::string StreamingDecoder::push(TokenId id)
{
    // A special token leaves no trace in the text: a long run of them must not fill the window.
    if (m_tokenizer.decode({&id, 1}, false).empty() &&
        !m_tokenizer.decode({&id, 1}, true).empty()) {
        return {};
    }
    m_pending.push_back(id);
    std::string text = m_tokenizer.decode(m_pending, false);
    const std::size_t certain = std::max(m_emitted.size(), text.size() - uncertainBytes(text));
    std::string piece = text.substr(m_emitted.size(), certain - m_emitted.size());
    m_emitted = text.substr(0, certain);
    if (m_pending.size() >= kWindowTokens) {
        shortenWindow(text);
    }
    return piece;
}

std::string StreamingDecoder::finish()
{
    std::string rest = m_tokenizer.decode(m_pending, false).substr(m_emitted.size());
    m_pending.clear();
    m_emitted.clear();
    return rest;
}

void StreamingDecoder::shortenWindow(const std::string& text)
{
    // Text that is shown depends on what stands before it only through the dummy space and through
    // characters split over tokens: a shorter window serves as well if it decodes to the same end.
    const std::size_t held = text.size() - m_emitted.size();
    for (std::size_t count = kContextTokens; count < m_pending.size(); ++count) {
        const std::vector<TokenId> window(m_pending.end() - static_cast<std::ptrdiff_t>(count),
                                          m_pending.end());
        const std::string end = m_tokenizer.decode(window, false);
        if (end.size() > held && text.ends_with(end)) {
            m_emitted = end.substr(0, end.size() - held);
            m_pending = window;
            return;
        }
    }
}

} // namespace longlora
