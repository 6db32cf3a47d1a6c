// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/infer/kv_cache.h"
#include "core/engine/model/rotary_embedding.h"
#include "core/spec/base/progress.h"

#include <cstdint>
#include <span>

namespace longlora {

/// A model that reads a text once and then token by token, with full attention. What it read stays
/// in the cache, and a prompt that begins like it is read from where it differs.
///
/// The result is that of forwardLogits over the whole text. One thing must be known beforehand:
/// dynamic NTK's frequencies depend on the length of the whole text, so they are those of
/// `totalTokens` throughout, and a text of another length shares nothing with the cache.
/// No length is refused here: what is beyond the model's context is for measuring.
class CachedForward {
public:
    /// `model` outlives this. `chunkTokens`: tokens read at once, 0: as fits the device.
    explicit CachedForward(const DecoderModel& model, std::int64_t chunkTokens = 0,
                           KvFormat format = KvFormat::Model);

    /// Reads `prompt`, of which the beginning that stands in the cache is not read again, but its
    /// last token always is. Makes room for `totalTokens` (prompt and everything decoded after it).
    /// `progress` is called before the first chunk and after each, in tokens of the prompt.
    /// Shapes: -> logits of the token after the prompt [vocabulary], fp32 (fp64 for fp64).
    /// Throws: DeviceError; Cancelled, after which the chunks that were read stay in the cache.
    at::Tensor prefill(std::span<const TokenId> prompt, std::int64_t totalTokens,
                       const ProgressCallback& progress = {});

    /// Tokens of the last prompt that were in the cache already.
    std::int64_t reusedTokens() const noexcept { return m_reusedTokens; }

    /// Reads `text` afresh, chunk by chunk, every chunk as it is and what stands before it from the
    /// cache. Shapes: -> last hidden states before the final norm [1, text, hidden].
    at::Tensor readWhole(std::span<const TokenId> text);

    /// Reads one more token. Shapes: -> logits of the token after it, as prefill().
    at::Tensor decode(TokenId id);

    const KvCache& cache() const noexcept { return m_cache; }

private:
    void prepareRotary(std::int64_t totalTokens);
    at::Tensor readChunk(std::span<const TokenId> ids);
    /// A new token over those cached, itself already among them.
    at::Tensor attendOne(std::size_t layer, const at::Tensor& q) const;
    /// New tokens over those cached before them, and each other.
    at::Tensor attendChunk(std::size_t layer, const at::Tensor& q, const at::Tensor& k,
                           const at::Tensor& v) const;
    at::Tensor logitsOfLast(const at::Tensor& hidden) const;

    const DecoderModel& m_model;
    std::int64_t m_chunkTokens;
    KvCache m_cache;
    std::int64_t m_reusedTokens = 0;
    RotaryTable m_rotary;            ///< of all positions there is room for
    RopeScaling m_rope;              ///< m_rotary was made from
    std::int64_t m_rotaryLength = 0; ///< sequence length m_rotary depends on; 0: on none
};

/// Throws: DataError naming the first id that the model has no embedding for.
void requireInVocabulary(std::span<const TokenId> ids, const DecoderModel& model);

} // namespace longlora
