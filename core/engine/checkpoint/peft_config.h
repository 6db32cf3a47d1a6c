// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/adapter.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace longlora {

/// A regular expression that must match the end of a module's name, from a dot on: the keys of
/// PEFT's rank_pattern and alpha_pattern.
class ModulePattern {
public:
    /// Throws: std::invalid_argument if it is no regular expression.
    explicit ModulePattern(const std::string& expression);
    /// Throws: std::invalid_argument if the search grows beyond all bounds.
    bool matches(const std::string& module) const;

private:
    std::shared_ptr<void> m_code;
};

/// What adapter_config.json says, as far as it changes the mathematics.
class PeftConfig {
public:
    /// Throws: FormatError naming the key: not LoRA, or a variant of it that we do not compute.
    static PeftConfig read(const std::filesystem::path& file);

    std::string baseModel;
    std::vector<std::string> modulesToSave;
    bool keepsTying = false;
    /// Keys that PEFT 0.21 does not know: it drops them with a warning.
    std::vector<std::string> unknownKeys;

    /// The tokens whose rows of a module were trained alone, in the file's order; empty: none.
    const std::vector<std::int64_t>& tokensOf(const std::string& module) const;
    bool hasTokens() const noexcept { return !m_tokens.empty(); }
    /// How many modules have such tokens.
    std::size_t tokenLists() const noexcept { return m_tokens.size(); }

    /// Rank and scale of one module's pair. Throws: FormatError.
    struct Shape {
        std::int64_t rank = 0;
        double scale = 1.0;
    };
    Shape shapeOf(const std::string& module) const;

private:
    std::string m_file;
    std::int64_t m_rank = 0;
    double m_alpha = 0.0;
    bool m_rsLora = false;
    std::vector<std::pair<ModulePattern, std::int64_t>> m_rankPattern;
    std::vector<std::pair<ModulePattern, double>> m_alphaPattern;
    std::map<std::string, std::vector<std::int64_t>>
        m_tokens; ///< by the end of a module's name; "": the embedding
};

/// The text of adapter_config.json with the keys PEFT 0.21 writes, sorted.
std::string peftConfigJson(const AdapterDescription& description,
                           const std::map<std::string, LoraPair>& pairs,
                           const std::map<std::string, at::Tensor>& replaced);

} // namespace longlora
