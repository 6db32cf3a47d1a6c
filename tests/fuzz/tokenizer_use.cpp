// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/fuzz/tokenizer_use.h"

#include "core/spec/base/error.h"
#include "tests/fuzz/fuzz_target.h"

#include <algorithm>

namespace longlora::fuzz {

namespace {

constexpr std::string_view kTexts[] = {
    "",
    "abab <s>aba\n  \t12345 it's Ab\xC3\x84 \xE4\xBD\xA0\xF0\x9F\x98\x80\xFF</s>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

void decodeAndStream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids)
{
    tokenizer.decode(ids, true);
    StreamingDecoder stream(tokenizer);
    std::string streamed;
    for (const TokenId id : ids) {
        streamed += stream.push(id);
    }
    streamed += stream.finish();
    require(streamed == tokenizer.decode(ids, false), "a stream is its decoded text");
}

} // namespace

void useTokenizer(const Tokenizer& tokenizer)
{
    const std::int64_t size = tokenizer.vocabularySize();
    require(size > 0, "a vocabulary is not empty");
    const auto isId = [&](TokenId id) { return id >= 0 && id < size; };
    require(isId(tokenizer.bosId().value_or(0)) && isId(tokenizer.eosId().value_or(0)),
            "BOS and EOS are in the vocabulary");
    for (const std::string_view text : kTexts) {
        const std::vector<TokenId> ids = tokenizer.encode(text, true);
        require(std::all_of(ids.begin(), ids.end(), isId), "ids are in the vocabulary");
        decodeAndStream(tokenizer, ids);
    }
    std::vector<TokenId> some;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(size, 40); ++i) {
        const TokenId id = static_cast<TokenId>(i * 7919 % size);
        try {
            tokenizer.decode({&id, 1}, true);
            some.push_back(id);
        } catch (const DataError&) {
            // Between its tokens a vocabulary may have ids that are none.
        }
    }
    decodeAndStream(tokenizer, some);
}

} // namespace longlora::fuzz
