// SPDX-License-Identifier: GPL-3.0-or-later
// tokenizer.json: what is accepted encodes any text into its own ids, and decodes them.
#include "core/spec/text/bpe/json_tokenizer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/tokenizer_use.h"

namespace longlora::fuzz {

void readAndUse(std::string_view input)
{
    useTokenizer(JsonTokenizer(input, kFile, {}));
}

} // namespace longlora::fuzz
