// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge_source.h"

#include "core/engine/checkpoint/adapter_attach.h"

#include <ATen/Tensor.h>

#include <string_view>

namespace longlora {

MergeSource::MergeSource(const std::filesystem::path& base, const std::filesystem::path& adapter)
    : m_config(readModelConfig(base))
    , m_files(WeightFiles::open(base, m_config))
{
    if (!adapter.empty()) {
        m_adapter = readAdapter(adapter);
        m_config = configWithAdapter(m_config, m_adapter, baseFingerprint(base));
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
    const bool wasTied = name == weightName(m_config, ModelPart::Head) && !m_files.contains(name);
    return m_files.tensor(wasTied ? weightName(m_config, ModelPart::Embedding) : name);
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
