// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/open_target.h"

#include "core/spec/inspect/adapter_base.h"

#include <QCoreApplication>

#include <unistd.h>

#include <system_error>

namespace longlora::ui {

namespace fs = std::filesystem;

namespace {

QString tr(const char* text)
{
    return QCoreApplication::translate("OpenTarget", text);
}

bool isFolderOfAModel(PathKind kind)
{
    return kind == PathKind::Model || kind == PathKind::Adapter || kind == PathKind::Run;
}

/// One file of a model, an adapter or a run stands for the whole.
bool mayBePartOfFolder(PathKind kind)
{
    return kind == PathKind::Safetensors || kind == PathKind::PytorchBin ||
           kind == PathKind::Tokenizer || kind == PathKind::Unknown;
}

/// A folder that does not exist yet, called after `file`.
fs::path importFolder(const fs::path& file, const fs::path& modelsFolder)
{
    const bool isWritable = ::access(file.parent_path().c_str(), W_OK) == 0;
    const fs::path parent = isWritable ? file.parent_path() : modelsFolder;
    const std::string name = file.stem().string();
    fs::path folder = parent / name;
    std::error_code ignored;
    for (int number = 2; fs::exists(folder, ignored); ++number) {
        folder = parent / (name + "-" + std::to_string(number));
    }
    return folder;
}

} // namespace

OpenTarget resolveTarget(const fs::path& path, const fs::path& modelsFolder)
{
    OpenTarget target;
    target.kind = pathKindOf(path);
    target.path = path;
    if (mayBePartOfFolder(target.kind)) {
        const PathKind around = pathKindOf(path.parent_path());
        std::error_code ignored;
        if (isFolderOfAModel(around) && !fs::is_directory(path, ignored)) {
            target.kind = around;
            target.path = path.parent_path();
        }
    }
    if (target.kind == PathKind::Adapter) {
        target.base = findNamedBase(target.path).value_or(fs::path());
    } else if (target.kind == PathKind::Gguf) {
        target.output = importFolder(target.path, modelsFolder);
    }
    return target;
}

QString refusalText(PathKind kind)
{
    switch (kind) {
    case PathKind::Run:
    case PathKind::Adapter:
    case PathKind::Model:
    case PathKind::Gguf:
    case PathKind::TokenFile:
    case PathKind::Jsonl:
    case PathKind::Text:
        return {};
    case PathKind::Missing:
        return tr("There is no such file or folder, or it cannot be read.");
    case PathKind::Tokenizer:
        return tr("This is a tokenizer without a model. Open the folder of a whole model, with "
                  "config.json and the weights.");
    case PathKind::Safetensors:
    case PathKind::PytorchBin:
        return tr("This is a file of weights by itself. Open the folder of a whole model, with "
                  "config.json beside the weights, or of an adapter.");
    case PathKind::Unknown:
        break;
    }
    return tr("Open a model folder (config.json), an adapter (adapter_config.json), a run folder "
              "(run.json), a GGUF file, a text (.txt, .md) or data (.jsonl, .bin).");
}

} // namespace longlora::ui
