// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace longlora {

/// The local Hugging Face cache: $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else $HF_HOME/hub,
/// else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. It is only ever read.
std::filesystem::path huggingFaceCacheFolder();

/// A model of which the cache holds something.
struct CachedModel {
    std::string name;             ///< "HuggingFaceTB/SmolLM2-135M"
    std::filesystem::path folder; ///< the snapshot; the whole entry if no snapshot is usable
    std::string problem;          ///< one line: why it cannot be used; empty: it has a config.json
};

/// Every model of `cache`, incomplete ones too, sorted by name; none if there is no such folder.
std::vector<CachedModel> cachedModels(const std::filesystem::path& cache);

/// The folder that a model argument means: a folder as it is, or the snapshot of the cached model
/// with that name (of `refs/main` where that is known, else the newest complete one). Nothing is
/// fetched.
/// Throws: DataError if there is neither (names the nearest cached model), or the snapshot is
/// incomplete.
std::filesystem::path resolveModelFolder(const std::string& nameOrFolder);

} // namespace longlora
