// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/kv_cache.h"

#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <fmt/format.h>

#include <cassert>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace longlora {

namespace {

/// Room is made in whole steps, so that a conversation does not move its cache at every turn.
constexpr std::int64_t kCapacityStep = 256; // tokens

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

KvCache::KvCache(const DecoderModel& model)
    : m_layers(model.layers.size())
    , m_kvHeadCount(model.config.kvHeadCount)
    , m_headDim(model.config.headDim)
    , m_options(model.embedTokens.options())
{}

double KvCache::bytesFor(std::int64_t tokens) const
{
    const double elements =
        2.0 * static_cast<double>(m_layers.size()) * static_cast<double>(m_kvHeadCount * m_headDim);
    return elements * static_cast<double>(tokens) *
           static_cast<double>(c10::elementSize(c10::typeMetaToScalarType(m_options.dtype())));
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
        m_ids.clear();
        m_capacity = 0;
        throw doesNotFit(tokens, bytes,
                         " and does not fit on " + describeDevice(m_options.device()));
    }
    m_capacity = capacity;
}

at::Tensor KvCache::grown(const at::Tensor& old, std::int64_t capacity) const
{
    at::Tensor made = at::empty({1, capacity, m_kvHeadCount, m_headDim}, m_options);
    if (!m_ids.empty()) {
        made.narrow(1, 0, length()).copy_(old.narrow(1, 0, length()));
    }
    return made;
}

void KvCache::truncate(std::int64_t length)
{
    assert(length >= 0 && length <= this->length());
    m_ids.resize(static_cast<std::size_t>(length));
}

void KvCache::write(std::size_t layer, const at::Tensor& k, const at::Tensor& v)
{
    m_layers[layer].k.narrow(1, length(), k.size(1)).copy_(k);
    m_layers[layer].v.narrow(1, length(), v.size(1)).copy_(v);
}

void KvCache::append(std::span<const TokenId> ids)
{
    m_ids.insert(m_ids.end(), ids.begin(), ids.end());
    assert(length() <= m_capacity);
}

at::Tensor KvCache::keys(std::size_t layer, std::int64_t tokens) const
{
    return m_layers[layer].k.narrow(1, 0, tokens);
}

at::Tensor KvCache::values(std::size_t layer, std::int64_t tokens) const
{
    return m_layers[layer].v.narrow(1, 0, tokens);
}

} // namespace longlora
