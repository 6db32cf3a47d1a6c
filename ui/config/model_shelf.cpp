// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/model_shelf.h"

#include "core/spec/config/huggingface_cache.h"
#include "ui/text_format.h"

#include <string>

namespace longlora::ui {

namespace {

/// Many a folder is called "model" or "merged": the one around it tells them apart.
std::string shelfName(const std::filesystem::path& folder)
{
    const std::filesystem::path path = folder.lexically_normal();
    const std::filesystem::path name = path.filename();
    return name == "model" || name == "merged" ? (path.parent_path().filename() / name).string()
                                               : name.string();
}

/// Folders that are gone are no longer at hand.
std::vector<ModelSummary> summaries(const std::vector<std::filesystem::path>& folders)
{
    std::vector<ModelSummary> models;
    for (const std::filesystem::path& folder : folders) {
        std::error_code ignored;
        if (std::filesystem::is_directory(folder, ignored)) {
            models.push_back(summarizeModel(folder, shelfName(folder)));
        }
    }
    return models;
}

std::vector<ModelSummary> cachedSummaries()
{
    std::vector<ModelSummary> models;
    for (const CachedModel& cached : cachedModels(huggingFaceCacheFolder())) {
        if (cached.problem.empty()) {
            models.push_back(summarizeModel(cached.folder, cached.name));
        } else {
            ModelSummary broken;
            broken.folder = cached.folder;
            broken.name = cached.name;
            broken.problem = cached.problem;
            models.push_back(broken);
        }
    }
    return models;
}

} // namespace

ModelShelf::ModelShelf(QObject* parent)
    : QObject(parent)
{}

void ModelShelf::setRecent(const QStringList& folders)
{
    m_folders = folders;
    refresh();
}

void ModelShelf::refresh()
{
    std::vector<std::filesystem::path> folders;
    for (const QString& folder : m_folders) {
        folders.push_back(toPath(folder));
    }
    m_job.run(
        [folders](const ProgressCallback&) {
            return Lists{summaries(folders), cachedSummaries()};
        },
        [this](Lists lists) {
            if (lists.recent != m_lists.recent || lists.cached != m_lists.cached) {
                m_lists = std::move(lists);
                Q_EMIT refreshed();
            }
        });
}

QString summaryText(const ModelSummary& model)
{
    if (model.family.empty()) {
        return toQString(model.problem);
    }
    const QString whole =
        ModelShelf::tr("%1, %2 parameters")
            .arg(toQString(model.family), shortCountText(static_cast<double>(model.parameters)));
    return model.problem.empty() ? ModelShelf::tr("%1, %2").arg(whole, bytesText(model.bytes))
                                 : ModelShelf::tr("%1; incomplete").arg(whole);
}

} // namespace longlora::ui
