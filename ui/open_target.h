// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>

namespace longlora::ui {

enum class TargetKind { Run, Adapter, Model, Document, Data, Unknown };

/// What a dropped or opened path is, by the files it holds: run.json, adapter_config.json,
/// config.json; .txt and .md are documents to talk about, .jsonl is training data.
TargetKind classifyPath(const std::filesystem::path& path);

} // namespace longlora::ui
