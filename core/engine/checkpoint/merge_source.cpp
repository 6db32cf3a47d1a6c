// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge_source.h"

#include "core/engine/checkpoint/adapter_attach.h"

#include <ATen/Tensor.h>

#include <algorithm>
#include <string_view>

namespace longlora {

namespace {

/// Small enough for a processor's cache, large enough for all its threads.
constexpr std::int64_t kBlockElements = std::int64_t{1} << 21;

} // namespace

MergeSource::MergeSource(const std::filesystem::path& base, const std::filesystem::path& adapter)
    : m_config(readModelConfig(base))
    , m_files(WeightFiles::open(base, m_config))
{
    if (!adapter.empty()) {
        m_adapter = readAdapter(adapter);
        m_fingerprint = baseFingerprint(base);
        m_config = configWithAdapter(m_config, m_adapter, m_fingerprint);
        foldEnds(m_adapter, m_config, [this](const std::string& name) { return stored(name); });
    }
}

bool MergeSource::changes(const std::string& weight) const
{
    return m_adapter.replaced.contains(weight) || update(weight) != nullptr;
}

at::Tensor MergeSource::weight(const std::string& name) const
{
    if (const auto trained = m_adapter.replaced.find(name); trained != m_adapter.replaced.end()) {
        return trained->second;
    }
    return stored(name);
}

std::string MergeSource::storedName(const std::string& name) const
{
    const bool wasTied = name == weightName(m_config, ModelPart::Head) && !m_files.contains(name);
    return wasTied ? weightName(m_config, ModelPart::Embedding) : name;
}

at::Tensor MergeSource::stored(const std::string& name) const
{
    return m_files.tensor(storedName(name));
}

void MergeSource::forEachBlock(
    const std::string& name,
    const std::function<void(std::int64_t firstRow, const at::Tensor& rows)>& visit) const
{
    const std::vector<std::int64_t> sizes = weight(name).sizes().vec();
    std::int64_t rowElements = 1;
    for (std::size_t i = 1; i < sizes.size(); ++i) {
        rowElements *= sizes[i];
    }
    if (!m_adapter.replaced.contains(name)) {
        m_files.readAhead(storedName(name));
    }
    const std::int64_t most = std::max<std::int64_t>(1, kBlockElements / rowElements);
    for (std::int64_t first = 0; first < sizes[0]; first += most) {
        // Asked for anew each time: a mapped tensor that is let go of lets go of its pages.
        visit(first, weight(name).narrow(0, first, std::min(most, sizes[0] - first)).contiguous());
    }
}

double MergeSource::adapterBytes() const
{
    double bytes = 0.0;
    for (const auto& [module, pair] : m_adapter.pairs) {
        bytes += static_cast<double>(pair.a.nbytes() + pair.b.nbytes());
    }
    for (const auto& [name, tensor] : m_adapter.replaced) {
        bytes += static_cast<double>(tensor.nbytes());
    }
    return bytes;
}

Quantization MergeSource::trainedQuantization() const
{
    return m_adapter.origin ? m_adapter.origin->quantization : Quantization::None;
}

bool MergeSource::namesItsBase() const
{
    return m_adapter.origin && !m_adapter.origin->fingerprint.empty();
}

const LoraPair* MergeSource::update(const std::string& weight) const
{
    constexpr std::string_view kSuffix = ".weight";
    if (!weight.ends_with(kSuffix)) {
        return nullptr; // a bias
    }
    const auto pair = m_adapter.pairs.find(weight.substr(0, weight.size() - kSuffix.size()));
    return pair == m_adapter.pairs.end() ? nullptr : &pair->second;
}

} // namespace longlora
