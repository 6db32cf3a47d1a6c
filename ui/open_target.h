// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/inspect/path_kind.h"

#include <QString>

#include <filesystem>

namespace longlora::ui {

/// What a dropped, opened or named path means to the window.
struct OpenTarget {
    PathKind kind = PathKind::Unknown;
    std::filesystem::path path;   ///< to be opened: of one file of a model, the model's folder
    std::filesystem::path base;   ///< Adapter: the model it names, where it is on this machine
    std::filesystem::path output; ///< Gguf: where its import goes unless told otherwise
};

/// Looks at `path`. `modelsFolder`: where imports go that cannot go beside their file.
/// Threading: touches the disk; call it in the background.
OpenTarget resolveTarget(const std::filesystem::path& path,
                         const std::filesystem::path& modelsFolder);

/// Why nothing in the window opens a path of this kind, and what does; empty: something does.
QString refusalText(PathKind kind);

} // namespace longlora::ui
