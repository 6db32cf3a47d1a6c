// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/kv_cache.h"

#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <c10/util/Exception.h>

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace longlora {

namespace {

/// Room is made in whole steps, so that a conversation does not move its cache at every turn.
constexpr std::int64_t kCapacityStep = 256; // tokens

constexpr std::int64_t kRecentTokens = 2 * kKvBlockTokens;

/// Bytes that can be taken without swapping. An allocation alone does not tell: the kernel promises
/// more than it has and ends the process when the promise is called in.
std::optional<double> availableHostBytes()
{
    std::ifstream file("/proc/meminfo");
    std::string key;
    double kibibytes = 0.0;
    while (file >> key >> kibibytes) {
        if (key == "MemAvailable:") {
            return kibibytes * 1024.0;
        }
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return std::nullopt;
}

DeviceError doesNotFit(std::int64_t tokens, double bytes, const std::string& where)
{
    return DeviceError(
        fmt::format("The key/value cache of {} tokens needs {}{}.", formatCount(tokens),
                    formatBytes(bytes), where),
        "Use a shorter text, reserve fewer tokens for the answer, or use a device with more "
        "memory.");
}

} // namespace

KvCache::KvCache(const DecoderModel& model, KvFormat format)
    : m_format(format)
    , m_options(model.embedTokens.options())
    , m_kvHeadCount(model.config.kvHeadCount)
    , m_headDim(model.config.headDim)
    , m_storage(format, m_kvHeadCount, m_headDim, m_options)
    , m_layers(model.layers.size())
{}

KvMemory KvCache::memory() const
{
    const double vectors = 2.0 * static_cast<double>(m_layers.size());
    const auto elementBytes =
        static_cast<double>(c10::elementSize(c10::typeMetaToScalarType(m_options.dtype())));
    const double recent = m_format == KvFormat::Int4 ? kRecentTokens : 0.0;
    return {.fixedBytes =
                vectors * recent * static_cast<double>(m_kvHeadCount * m_headDim) * elementBytes,
            .bytesPerToken = vectors * m_storage.bytesPerToken()};
}

double KvCache::bytesFor(std::int64_t tokens) const
{
    return memory().bytesFor(static_cast<double>(tokens));
}

double KvCache::bytes() const
{
    return m_capacity > 0 ? bytesFor(m_capacity) : 0.0;
}

std::int64_t KvCache::firstRecentOf(std::int64_t length) const
{
    if (m_format != KvFormat::Int4) {
        return 0;
    }
    // Whole blocks are stored, but one stays.
    return std::max<std::int64_t>(0, length / kKvBlockTokens - 1) * kKvBlockTokens;
}

std::int64_t KvCache::firstRecent(std::size_t layer) const
{
    return m_format == KvFormat::Int4 ? m_layers[layer].firstRecent : m_capacity;
}

void KvCache::reserve(std::int64_t tokens)
{
    if (tokens <= m_capacity) {
        return;
    }
    const std::int64_t capacity = (tokens + kCapacityStep - 1) / kCapacityStep * kCapacityStep;
    const double bytes = bytesFor(capacity);
    if (m_options.device().is_cpu()) {
        // Old and new stand side by side one layer at a time only.
        const std::optional<double> available = availableHostBytes();
        if (available && bytes - this->bytes() > *available) {
            throw doesNotFit(tokens, bytes,
                             fmt::format(", but {} are free", formatBytes(*available)));
        }
    }
    try {
        for (Layer& layer : m_layers) {
            layer.k = grown(layer.k, capacity);
            layer.v = grown(layer.v, capacity);
        }
    } catch (const c10::Error&) {
        // Some layers may have grown: start over with nothing rather than with two sizes.
        m_layers.assign(m_layers.size(), Layer{});
        forgetAll();
        m_capacity = 0;
        throw doesNotFit(tokens, bytes,
                         " and does not fit on " + describeDevice(m_options.device()));
    }
    m_capacity = capacity;
}

KvCache::Kept KvCache::grown(const Kept& old, std::int64_t capacity) const
{
    Kept made{m_storage.allocate(capacity), old.recent};
    if (!m_ids.empty()) {
        const StoredVectors from = KvStorage::part(old.stored, 0, length());
        const StoredVectors to = KvStorage::part(made.stored, 0, length());
        to.numbers.copy_(from.numbers);
        if (from.scales.defined()) {
            to.scales.copy_(from.scales);
        }
    }
    if (m_format == KvFormat::Int4 && !made.recent.defined()) {
        made.recent = at::empty({1, m_kvHeadCount, kRecentTokens, m_headDim}, m_options);
    }
    return made;
}

void KvCache::forgetAll()
{
    m_ids.clear();
    m_firstRecent = 0;
    for (Layer& layer : m_layers) {
        layer.firstRecent = 0;
    }
}

void KvCache::truncate(std::int64_t length)
{
    assert(length >= 0 && length <= this->length());
    if (std::ranges::any_of(
            m_layers, [this](const Layer& layer) { return layer.firstRecent != m_firstRecent; })) {
        forgetAll(); // a pass ended early, and some layers are ahead of the others
        return;
    }
    const std::int64_t wanted = std::min(m_firstRecent, firstRecentOf(length));
    if (wanted < m_firstRecent) {
        length = wanted;
        m_firstRecent = wanted;
        for (Layer& layer : m_layers) {
            layer.firstRecent = wanted;
        }
    }
    m_ids.resize(static_cast<std::size_t>(length));
}

void KvCache::write(std::size_t layer, const at::Tensor& k, const at::Tensor& v)
{
    Layer& into = m_layers[layer];
    const at::Tensor keys = k.transpose(1, 2), values = v.transpose(1, 2);
    const std::int64_t end = length() + k.size(1);
    if (m_format != KvFormat::Int4) {
        m_storage.store(KvStorage::part(into.k.stored, length(), end), keys);
        m_storage.store(KvStorage::part(into.v.stored, length(), end), values);
        return;
    }
    const std::int64_t first = std::max(m_firstRecent, firstRecentOf(end));
    writeBehindRecent(into.k, keys, first);
    writeBehindRecent(into.v, values, first);
    into.firstRecent = first;
}

void KvCache::writeAt(std::size_t layer, const at::Tensor& position, const at::Tensor& k,
                      const at::Tensor& v)
{
    assert(m_format != KvFormat::Int4);
    m_storage.storeAt(m_layers[layer].k.stored, position, k.transpose(1, 2));
    m_storage.storeAt(m_layers[layer].v.stored, position, v.transpose(1, 2));
}

void KvCache::writeBehindRecent(const Kept& into, const at::Tensor& heads, std::int64_t first) const
{
    const std::int64_t held = length() - m_firstRecent, added = heads.size(2);
    const std::int64_t leaving = std::min(held, first - m_firstRecent); // recent until now
    const std::int64_t passing = first - m_firstRecent - leaving;       // new, but not recent
    const auto store = [&](const at::Tensor& x, std::int64_t from) {
        m_storage.store(KvStorage::part(into.stored, from, from + x.size(2)), x);
    };
    if (leaving > 0) {
        store(into.recent.narrow(2, 0, leaving), m_firstRecent);
        // A block leaves, and less than a block stays: they do not overlap.
        into.recent.narrow(2, 0, held - leaving)
            .copy_(into.recent.narrow(2, leaving, held - leaving));
    }
    if (passing > 0) {
        store(heads.narrow(2, 0, passing), length());
    }
    into.recent.narrow(2, held - leaving, added - passing)
        .copy_(heads.narrow(2, passing, added - passing));
}

at::Tensor KvCache::read(const Layer& layer, const Kept& kept, std::int64_t first,
                         std::int64_t end) const
{
    if (m_format != KvFormat::Int4) {
        return m_storage.read(KvStorage::part(kept.stored, first, end)).transpose(1, 2);
    }
    const std::int64_t border = std::clamp(layer.firstRecent, first, end);
    at::Tensor result = at::empty({1, m_kvHeadCount, end - first, m_headDim}, m_options);
    m_storage.readInto(result.narrow(2, 0, border - first),
                       KvStorage::part(kept.stored, first, border));
    result.narrow(2, border - first, end - border)
        .copy_(kept.recent.narrow(2, std::max<std::int64_t>(0, border - layer.firstRecent),
                                  end - border));
    return result.transpose(1, 2);
}

void KvCache::append(std::span<const TokenId> ids)
{
    m_ids.insert(m_ids.end(), ids.begin(), ids.end());
    m_firstRecent = std::max(m_firstRecent, firstRecentOf(length()));
    assert(length() <= m_capacity);
}

at::Tensor KvCache::keys(std::size_t layer, std::int64_t first, std::int64_t end) const
{
    return read(m_layers[layer], m_layers[layer].k, first, end);
}

at::Tensor KvCache::values(std::size_t layer, std::int64_t first, std::int64_t end) const
{
    return read(m_layers[layer], m_layers[layer].v, first, end);
}

} // namespace longlora
