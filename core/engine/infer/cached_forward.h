// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/infer/decode_graph.h"
#include "core/engine/infer/kv_cache.h"
#include "core/engine/model/rotary_embedding.h"
#include "core/spec/base/progress.h"

#include <cstdint>
#include <functional>
#include <memory>
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
    CachedForward(const CachedForward&) = delete;
    CachedForward& operator=(const CachedForward&) = delete;

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

    /// Reads one more token. Shapes: -> logits of the token after it, as prefill(); on a GPU they
    /// are overwritten by the next.
    at::Tensor decode(TokenId id);

    /// What decode() does, but for cache().append(): in shapes that no position changes, and with
    /// nothing that the host must know, so that a CUDA graph of it serves every token.
    /// Shapes: id [1, 1] and its position [1], int64 on the device -> logits, as decode().
    /// Not in fp64, nor with a cache in Int4.
    at::Tensor decodeAt(const at::Tensor& id, const at::Tensor& position);
    /// Whether decode() replays a CUDA graph; until the first token, whether it will try.
    bool usesGraph() const;

    const KvCache& cache() const noexcept { return m_cache; }
    KvCache& cache() noexcept { return m_cache; }

private:
    bool mayGraph() const;
    void makeRoom(std::int64_t totalTokens);
    void prepareRotary(std::int64_t totalTokens);
    at::Tensor readChunk(std::span<const TokenId> ids);
    at::Tensor throughLayers(
        const at::Tensor& ids, const RotaryTable& rotary,
        const std::function<at::Tensor(std::size_t layer, const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v)>& attend) const;
    /// A new token over those cached, itself already among them.
    at::Tensor attendOne(std::size_t layer, const at::Tensor& q) const;
    /// The same, its position known to the device.
    at::Tensor attendAt(std::size_t layer, const at::Tensor& q, const at::Tensor& position) const;
    /// New tokens over those cached before them, and each other.
    at::Tensor attendChunk(std::size_t layer, const at::Tensor& q, const at::Tensor& k,
                           const at::Tensor& v) const;
    at::Tensor logitsOfLast(const at::Tensor& hidden) const;

    const DecoderModel& m_model;
    std::int64_t m_chunkTokens;
    KvCache m_cache;
    std::unique_ptr<DecodeGraph> m_graph; ///< of decodeAt()
    std::int64_t m_reusedTokens = 0;
    RotaryTable m_rotary;            ///< of all positions there is room for
    RopeScaling m_rope;              ///< m_rotary was made from
    std::int64_t m_rotaryLength = 0; ///< sequence length m_rotary depends on; 0: on none
};

/// Throws: DataError naming the first id that the model has no embedding for.
void requireInVocabulary(std::span<const TokenId> ids, const DecoderModel& model);

} // namespace longlora
