// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/infer/kv_cache.h"

#include "core/engine/model/decoder_model.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
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

KvCache::KvCache(const DecoderModel& model, KvFormat format)
    : m_format(format)
    , m_layers(model.layers.size())
    , m_kvHeadCount(model.config.kvHeadCount)
    , m_headDim(model.config.headDim)
    , m_options(model.embedTokens.options())
{}

double KvCache::bytesFor(std::int64_t tokens) const
{
    const auto elementBytes =
        static_cast<double>(c10::elementSize(c10::typeMetaToScalarType(m_options.dtype())));
    const auto headDim = static_cast<double>(m_headDim);
    const double headBytes =
        m_format == KvFormat::Int8 ? headDim + sizeof(float) : headDim * elementBytes;
    return 2.0 * static_cast<double>(m_layers.size()) * static_cast<double>(m_kvHeadCount) *
           headBytes * static_cast<double>(tokens);
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

KvCache::Stored KvCache::grown(const Stored& old, std::int64_t capacity) const
{
    const auto larger = [&](const at::Tensor& from, at::IntArrayRef sizes, at::ScalarType dtype) {
        at::Tensor made = at::empty(sizes, m_options.dtype(dtype));
        if (!m_ids.empty()) {
            made.narrow(2, 0, length()).copy_(from.narrow(2, 0, length()));
        }
        return made;
    };
    const bool isInt8 = m_format == KvFormat::Int8;
    return {larger(old.numbers, {1, m_kvHeadCount, capacity, m_headDim},
                   isInt8 ? at::kChar : c10::typeMetaToScalarType(m_options.dtype())),
            isInt8 ? larger(old.scales, {1, m_kvHeadCount, capacity}, at::kFloat) : at::Tensor()};
}

void KvCache::truncate(std::int64_t length)
{
    assert(length >= 0 && length <= this->length());
    m_ids.resize(static_cast<std::size_t>(length));
}

void KvCache::write(std::size_t layer, const at::Tensor& k, const at::Tensor& v)
{
    store(m_layers[layer].k, k);
    store(m_layers[layer].v, v);
}

void KvCache::store(const Stored& into, const at::Tensor& x) const
{
    const auto place = [&](const at::Tensor& all) { return all.narrow(2, length(), x.size(1)); };
    const at::Tensor heads = x.transpose(1, 2);
    if (m_format == KvFormat::Model) {
        place(into.numbers).copy_(heads);
        return;
    }
    constexpr double kLargestCode = 127.0;
    const at::Tensor wide = heads.to(at::kFloat);
    const at::Tensor scales = wide.abs().amax({3}).div_(kLargestCode);
    // Of a head that is all 0 the scale is 0, and any divisor will do.
    const at::Tensor divisor = at::where(scales.eq(0.0), at::ones({}, scales.options()), scales);
    place(into.scales).copy_(scales);
    place(into.numbers).copy_(wide.div(divisor.unsqueeze(3)).round_());
}

at::Tensor KvCache::read(const Stored& stored, std::int64_t first, std::int64_t end) const
{
    const at::Tensor numbers = stored.numbers.narrow(2, first, end - first);
    if (m_format == KvFormat::Model) {
        return numbers.transpose(1, 2);
    }
    const at::Tensor scales = stored.scales.narrow(2, first, end - first).unsqueeze(3);
    at::Tensor result = at::empty(numbers.sizes(), m_options);
    return at::mul_out(result, numbers, scales).transpose(1, 2);
}

void KvCache::append(std::span<const TokenId> ids)
{
    m_ids.insert(m_ids.end(), ids.begin(), ids.end());
    assert(length() <= m_capacity);
}

at::Tensor KvCache::keys(std::size_t layer, std::int64_t first, std::int64_t end) const
{
    return read(m_layers[layer].k, first, end);
}

at::Tensor KvCache::values(std::size_t layer, std::int64_t first, std::int64_t end) const
{
    return read(m_layers[layer].v, first, end);
}

} // namespace longlora
