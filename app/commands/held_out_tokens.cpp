// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/held_out_tokens.h"

#include "core/spec/data/dataset.h"

namespace longlora::app {

std::vector<TokenId> readHeldOutTokens(const std::filesystem::path& file, const LoadedModel& model,
                                       const ProgressCallback& progress)
{
    const Tokenizer* tokenizer = model.hasTokenizer() ? &model.tokenizer() : nullptr;
    const std::vector<TokenDocument> documents =
        readDocuments(file, DataFormat::Auto, tokenizer, model.config().vocabularySize, progress);
    std::vector<TokenId> ids;
    bool isText = false;
    for (const TokenDocument& document : documents) {
        isText = !document.isWholeRow;
        const bool dropBos = isText && ids.empty() && tokenizer != nullptr &&
                             document.ids.front() == tokenizer->bosId();
        ids.insert(ids.end(), document.ids.begin() + (dropBos ? 1 : 0), document.ids.end());
    }
    if (isText && tokenizer != nullptr && !ids.empty() && ids.back() == tokenizer->eosId()) {
        ids.pop_back();
    }
    return ids;
}

} // namespace longlora::app
