// SPDX-License-Identifier: GPL-3.0-or-later
// tokenizer.model: the gate, and behind it sentencepiece, which must survive all that passes.
#include "core/spec/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/tokenizer_use.h"

namespace longlora::fuzz {

void readAndUse(std::string_view input)
{
    useTokenizer(SentencePieceTokenizer(input, kFile, {}));
}

} // namespace longlora::fuzz
