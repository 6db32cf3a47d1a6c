// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/cached_forward.h"

#include "core/engine/attention/segmented_attention.h"
#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/kernel_views.h"
#include "core/spec/base/error.h"
#include "kernels/decode_attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/sigmoid.h>

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <vector>

// Shape suffixes: S new tokens, P tokens in the cache, H heads, K kv heads, R = H / K heads that
// share a kv head, D head_dim. The batch is always 1.

namespace longlora {

namespace {

constexpr std::int64_t kChunkTokensCpu = 512;
constexpr std::int64_t kChunkTokensGpu = 4096;

/// Every query sees every key. The R heads of a kv head become R queries of one head, so that one
/// call does them all; there is no mask that their order could matter to.
/// logSumExp comes back as [1, S, H, 1], ready to weigh `out` [1, S, H, D].
AttentionPart attendAll(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
{
    const std::int64_t S = q.size(1);
    const std::int64_t H = q.size(2);
    const std::int64_t K = k.size(2);
    const std::int64_t D = q.size(3);
    const std::int64_t R = H / K;
    const at::Tensor folded = q.reshape({1, S, K, R, D}).transpose(2, 3).reshape({1, S * R, K, D});
    const AttentionPart part = attendDense(folded, k, v, {k.size(1)});
    return {.out = part.out.reshape({1, S, R, K, D}).transpose(2, 3).reshape({1, S, H, D}),
            .logSumExp =
                part.logSumExp.reshape({1, K, S, R}).transpose(1, 2).reshape({1, S, H, 1})};
}

/// Attention over two disjoint sets of keys from attention over each: the weight of a set is its
/// share of the softmax's denominator.
at::Tensor combine(const AttentionPart& past, const AttentionPart& own)
{
    const at::Tensor ownLogSumExp = own.logSumExp.transpose(1, 2).unsqueeze(3);
    const at::Tensor pastShare = at::sigmoid(past.logSumExp - ownLogSumExp);
    const at::ScalarType precise = pastShare.scalar_type();
    return at::lerp(own.out.to(precise), past.out.to(precise), pastShare).to(own.out.scalar_type());
}

kernels::CacheFormat cacheFormat(at::ScalarType dtype)
{
    switch (dtype) {
    case at::kByte:
        return kernels::CacheFormat::Int4;
    case at::kChar:
        return kernels::CacheFormat::Int8;
    case at::kBFloat16:
        return kernels::CacheFormat::BFloat16;
    case at::kHalf:
        return kernels::CacheFormat::Float16;
    default:
        return kernels::CacheFormat::Float32;
    }
}

/// From token `first` on.
kernels::CachedVectors cachedVectors(const StoredVectors& stored, std::int64_t first)
{
    const at::Tensor numbers = stored.numbers.narrow(2, first, 1);
    return {numbers.const_data_ptr(), cacheFormat(numbers.scalar_type()), stored.numbers.size(2),
            stored.scales.defined() ? stored.scales.const_data_ptr<float>() + first : nullptr};
}

/// One query [1, 1, H, D] over what `decode` names.
at::Tensor attendWith(kernels::DecodeAttention decode, const at::Tensor& q, std::int64_t kvHeads)
{
    const at::Tensor heads = q.reshape({q.size(2), q.size(3)});
    const at::Tensor out = at::empty_like(heads);
    at::Tensor workspace;
    if (!q.is_cpu()) {
        workspace = at::empty({kernels::decodeWorkspace(heads.size(0), heads.size(1), decode.tokens,
                                                        decode.recentTokens)},
                              q.options().dtype(at::kFloat));
        decode.workspace = workspace.mutable_data_ptr<float>();
    }
    decode.q = kernelView(heads);
    decode.kvHeads = kvHeads;
    decode.out = kernelView(out);
    decode.stream = kernelStream(heads);
    kernels::decodeAttention(decode);
    return out.view(q.sizes());
}

at::Tensor idTensor(std::span<const TokenId> ids, const at::Device& device)
{
    at::Tensor made = at::empty({1, static_cast<std::int64_t>(ids.size())}, at::kLong);
    std::copy(ids.begin(), ids.end(), made.mutable_data_ptr<std::int64_t>());
    return made.to(device);
}

std::int64_t commonBeginning(std::span<const TokenId> a, std::span<const TokenId> b)
{
    const std::size_t shorter = std::min(a.size(), b.size());
    return std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shorter), b.begin())
               .first -
           a.begin();
}

} // namespace

CachedForward::CachedForward(const DecoderModel& model, std::int64_t chunkTokens, KvFormat format)
    : m_model(model)
    , m_chunkTokens(chunkTokens > 0           ? chunkTokens
                    : model.device().is_cpu() ? kChunkTokensCpu
                                              : kChunkTokensGpu)
    , m_cache(model, format)
{}

void CachedForward::makeRoom(std::int64_t totalTokens)
{
    const std::int64_t before = m_cache.capacity();
    m_cache.reserve(totalTokens);
    if (m_cache.capacity() != before) {
        m_graph.reset(); // the cache has moved
    }
    prepareRotary(totalTokens);
}

void CachedForward::prepareRotary(std::int64_t totalTokens)
{
    const RopeScaling& rope = m_model.config.rope;
    // Up to its own context dynamic NTK is unscaled, whatever the length.
    const bool dependsOnLength =
        rope.kind == RopeKind::Dynamic && totalTokens > rope.originalMaxPositionEmbeddings;
    const std::int64_t length = dependsOnLength ? totalTokens : 0;
    const bool same = m_rotary.cos.defined() && rope == m_rope && length == m_rotaryLength;
    if (!same) {
        m_cache.truncate(0); // its keys were turned by other angles
    }
    const std::int64_t rows = m_cache.capacity();
    if (same && m_rotary.cos.size(0) >= rows) {
        return;
    }
    m_graph.reset(); // the table moves
    m_rotary = rotaryTable(rope, m_model.config.rotaryDim(), 0, rows, totalTokens, m_model.device(),
                           m_model.dtype());
    m_rope = rope;
    m_rotaryLength = length;
}

at::Tensor CachedForward::prefill(std::span<const TokenId> prompt, std::int64_t totalTokens,
                                  const ProgressCallback& progress)
{
    const auto promptTokens = static_cast<std::int64_t>(prompt.size());
    assert(promptTokens > 0 && totalTokens >= promptTokens);
    const at::NoGradGuard noGrad;
    m_reusedTokens = 0;
    m_cache.truncate(std::min(commonBeginning(m_cache.ids(), prompt), promptTokens - 1));
    makeRoom(totalTokens);
    m_reusedTokens = m_cache.length();

    const auto report = [&](std::int64_t done) {
        if (progress && !progress({"prefill", done, promptTokens, "tokens"})) {
            throw Cancelled{};
        }
    };
    report(m_reusedTokens);
    for (;;) {
        const std::int64_t done = m_cache.length();
        const std::int64_t count = std::min(m_chunkTokens, promptTokens - done);
        const at::Tensor hidden = readChunk(
            prompt.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count)));
        if (done + count == promptTokens) {
            const at::Tensor logits = logitsOfLast(hidden);
            report(promptTokens);
            return logits;
        }
        report(done + count);
    }
}

at::Tensor CachedForward::decode(TokenId id)
{
    assert(m_cache.length() < m_cache.capacity());
    const at::NoGradGuard noGrad;
    if (!mayGraph()) {
        return logitsOfLast(readChunk({&id, 1}));
    }
    if (!m_graph) {
        m_graph = std::make_unique<DecodeGraph>(
            m_model.device(), [this](const at::Tensor& one, const at::Tensor& position) {
                return decodeAt(one, position);
            });
    }
    at::Tensor logits = m_graph->run(id, m_cache.length());
    m_cache.append({&id, 1});
    return logits;
}

bool CachedForward::usesGraph() const
{
    return mayGraph() && !(m_graph && m_graph->isRefused());
}

bool CachedForward::mayGraph() const
{
    return DecodeGraph::isPossible(m_model.device()) && m_model.dtype() != at::kDouble &&
           m_cache.format() != KvFormat::Int4;
}

at::Tensor CachedForward::decodeAt(const at::Tensor& id, const at::Tensor& position)
{
    const at::NoGradGuard noGrad;
    const RotaryTable rotary{m_rotary.cos.index_select(0, position),
                             m_rotary.sin.index_select(0, position)};
    return logitsOfLast(throughLayers(
        id, rotary,
        [&](std::size_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
            m_cache.writeAt(layer, position, k, v);
            return attendAt(layer, q, position);
        }));
}

at::Tensor CachedForward::readWhole(std::span<const TokenId> text)
{
    const at::NoGradGuard noGrad;
    m_cache.truncate(0);
    makeRoom(std::ssize(text));
    std::vector<at::Tensor> hidden;
    while (m_cache.length() < std::ssize(text)) {
        const auto done = static_cast<std::size_t>(m_cache.length());
        const std::size_t count =
            std::min(static_cast<std::size_t>(m_chunkTokens), text.size() - done);
        hidden.push_back(readChunk(text.subspan(done, count)));
    }
    return at::cat(hidden, 1);
}

at::Tensor CachedForward::readChunk(std::span<const TokenId> ids)
{
    const std::int64_t past = m_cache.length();
    const auto count = static_cast<std::int64_t>(ids.size());
    const RotaryTable rotary{m_rotary.cos.narrow(0, past, count),
                             m_rotary.sin.narrow(0, past, count)};
    at::Tensor hidden = throughLayers(
        idTensor(ids, m_model.device()), rotary,
        [&](std::size_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
            if (count == 1 && past > 0) {
                m_cache.write(layer, k, v);
                return attendOne(layer, q);
            }
            // Before they are written: the newest of the past may leave the recent for them.
            at::Tensor out = attendChunk(layer, q, k, v);
            m_cache.write(layer, k, v);
            return out;
        });
    m_cache.append(ids);
    return hidden;
}

at::Tensor CachedForward::throughLayers(
    const at::Tensor& ids, const RotaryTable& rotary,
    const std::function<at::Tensor(std::size_t, const at::Tensor&, const at::Tensor&,
                                   const at::Tensor&)>& attend) const
{
    at::Tensor hidden = embed(m_model, ids);
    for (std::size_t layer = 0; layer < m_model.layers.size(); ++layer) {
        hidden = layerForward(m_model.layers[layer], m_model.config, hidden, rotary,
                              [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
                                  return attend(layer, q, k, v);
                              });
    }
    return hidden;
}

at::Tensor CachedForward::attendOne(std::size_t layer, const at::Tensor& q) const
{
    const std::int64_t end = m_cache.length() + 1, window = m_model.config.slidingWindow;
    const std::int64_t first = window > 0 ? std::max<std::int64_t>(0, end - window) : 0;
    if (q.scalar_type() == at::kDouble) {
        return attendAll(q, m_cache.keys(layer, first, end), m_cache.values(layer, first, end)).out;
    }
    const KvCache::Kept& keys = m_cache.keptKeys(layer);
    const KvCache::Kept& values = m_cache.keptValues(layer);
    const std::int64_t border = m_cache.firstRecent(layer);
    const std::int64_t storedEnd = std::clamp(border, first, end);
    kernels::DecodeAttention decode{.keys = cachedVectors(keys.stored, first),
                                    .values = cachedVectors(values.stored, first),
                                    .tokens = storedEnd - first};
    if (storedEnd < end) {
        decode.recentKeys = cachedVectors({keys.recent, {}}, storedEnd - border);
        decode.recentValues = cachedVectors({values.recent, {}}, storedEnd - border);
        decode.recentTokens = end - storedEnd;
    }
    return attendWith(decode, q, m_model.config.kvHeadCount);
}

at::Tensor CachedForward::attendAt(std::size_t layer, const at::Tensor& q,
                                   const at::Tensor& position) const
{
    return attendWith({.keys = cachedVectors(m_cache.keptKeys(layer).stored, 0),
                       .values = cachedVectors(m_cache.keptValues(layer).stored, 0),
                       .tokens = m_cache.capacity(),
                       .newest = position.const_data_ptr<std::int64_t>(),
                       .window = m_model.config.slidingWindow},
                      q, m_model.config.kvHeadCount);
}

at::Tensor CachedForward::attendChunk(std::size_t layer, const at::Tensor& q, const at::Tensor& k,
                                      const at::Tensor& v) const
{
    const std::int64_t past = m_cache.length(), window = m_model.config.slidingWindow;
    if (window > 0 && past + q.size(1) > window) {
        // What the first of the new tokens sees, and all after it.
        const std::int64_t first = std::max<std::int64_t>(0, past + 1 - window);
        if (first >= past) {
            return attendDense(q, k, v, {0, window}).out;
        }
        return attendDense(q, at::cat({m_cache.keys(layer, first, past), k}, 1),
                           at::cat({m_cache.values(layer, first, past), v}, 1),
                           {past - first, window})
            .out;
    }
    if (past == 0) {
        return attendDense(q, k, v, {}).out;
    }
    return combine(attendAll(q, m_cache.keys(layer, 0, past), m_cache.values(layer, 0, past)),
                   attendDense(q, k, v, {}));
}

at::Tensor CachedForward::logitsOfLast(const at::Tensor& hidden) const
{
    const at::Tensor logits = headForward(m_model, hidden.select(1, hidden.size(1) - 1)).squeeze(0);
    return logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
}

void requireInVocabulary(std::span<const TokenId> ids, const DecoderModel& model)
{
    const std::int64_t rows = model.embedTokens.size(0);
    const auto unknown =
        std::find_if(ids.begin(), ids.end(), [&](TokenId id) { return id < 0 || id >= rows; });
    if (unknown != ids.end()) {
        throw DataError(fmt::format("Token id {} at position {} is outside the model's vocabulary "
                                    "of {}.",
                                    *unknown, unknown - ids.begin(), rows),
                        "Use the tokenizer that belongs to the model.");
    }
}

} // namespace longlora
