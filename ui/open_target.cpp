// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/open_target.h"

#include "core/spec/run/run_directory.h"

namespace longlora::ui {

TargetKind classifyPath(const std::filesystem::path& path)
{
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        return RunDirectory::holdsRun(path) ? TargetKind::Run
               : std::filesystem::exists(path / "adapter_config.json", ignored)
                   ? TargetKind::Adapter
               : std::filesystem::exists(path / "config.json", ignored) ? TargetKind::Model
                                                                        : TargetKind::Unknown;
    }
    const std::filesystem::path ending = path.extension();
    return ending == ".txt" || ending == ".md" ? TargetKind::Document
           : ending == ".jsonl"                ? TargetKind::Data
                                               : TargetKind::Unknown;
}

} // namespace longlora::ui
