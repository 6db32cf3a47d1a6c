// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/import_panel.h"
#include "ui/main_window.h"
#include "ui/pages/chat_page.h"
#include "ui/pages/configure_page.h"
#include "ui/pages/merge_page.h"
#include "ui/pages/monitor_page.h"
#include "ui/text_format.h"
#include "ui/widgets/error_banner.h"

#include <QDropEvent>
#include <QFileDialog>
#include <QMimeData>

namespace longlora::ui {

void MainWindow::openRun(const std::filesystem::path& folder)
{
    m_monitor->openFolder(folder);
    showPage(Page::Monitor);
}

void MainWindow::openMerge(const QString& base, const QString& adapter)
{
    if (m_merge->isRunning()) {
        m_banner->show({tr("A merge is under way"),
                        adapter.isEmpty() ? base : adapter,
                        tr("Open this one when that has ended."),
                        {}});
        return;
    }
    m_merge->setPaths(base, adapter);
    m_tour.mergeShown();
    showPage(Page::Merge);
}

void MainWindow::openPath(const std::filesystem::path& path)
{
    openPaths({path});
}

void MainWindow::openPaths(const std::vector<std::filesystem::path>& paths)
{
    m_banner->clear();
    const std::filesystem::path modelsFolder = m_runsFolder.parent_path() / "models";
    m_opening.run(
        [paths, modelsFolder](const ProgressCallback&) {
            std::vector<OpenTarget> targets;
            for (const std::filesystem::path& path : paths) {
                targets.push_back(resolveTarget(path, modelsFolder));
            }
            return targets;
        },
        [this](const std::vector<OpenTarget>& targets) {
            for (const OpenTarget& target : targets) {
                openTarget(target);
            }
        });
}

void MainWindow::openTarget(const OpenTarget& target)
{
    const QString path = pathText(target.path);
    switch (target.kind) {
    case PathKind::Run:
        if (currentPage() == Page::Merge && !m_merge->isRunning()) {
            m_merge->openRun(target.path);
        } else {
            openRun(target.path);
        }
        break;
    case PathKind::Adapter:
        if (currentPage() != Page::Merge && target.base.empty() && !m_merge->isRunning()) {
            m_merge->clear(); // a base that was left there is not this adapter's
        }
        openMerge(pathText(target.base), path);
        break;
    case PathKind::Model:
        openModel(path);
        break;
    case PathKind::Gguf:
        offerImport(target);
        break;
    case PathKind::Text:
        m_chat->session().attach({path});
        showPage(Page::Chat);
        break;
    case PathKind::Jsonl:
    case PathKind::TokenFile:
        m_configure->addTrainingFile(path);
        showPage(Page::Configure);
        break;
    case PathKind::Missing:
    case PathKind::Tokenizer:
    case PathKind::Safetensors:
    case PathKind::PytorchBin:
    case PathKind::Unknown:
        m_banner->show({tr("This cannot be opened here"), path, refusalText(target.kind), {}});
        break;
    }
}

/// The page that is open takes it if it has a field for one.
void MainWindow::openModel(const QString& folder)
{
    if (currentPage() == Page::Merge) {
        openMerge(folder, {});
    } else if (currentPage() == Page::Chat && !m_chat->session().isBusy()) {
        m_chat->loadModel(folder);
    } else {
        m_configure->showModel(folder);
        showPage(Page::Configure);
    }
}

void MainWindow::offerImport(const OpenTarget& target)
{
    if (!m_import->offer(target.path, target.output)) {
        m_banner->show({tr("Another file is being imported"),
                        pathText(target.path),
                        tr("Open this one when that has ended."),
                        {}});
    }
}

void MainWindow::choosePath(bool isFolder)
{
    auto* dialog = new QFileDialog(this, isFolder ? tr("Open a model, adapter or run folder")
                                                  : tr("Open a GGUF file, a text or data"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(isFolder ? QFileDialog::Directory : QFileDialog::ExistingFile);
    if (!isFolder) {
        dialog->setNameFilters({tr("Models, texts and data (*.gguf *.safetensors *.txt *.md "
                                   "*.jsonl *.bin)"),
                                tr("All files (*)")});
    }
    connect(dialog, &QFileDialog::fileSelected, this,
            [this](const QString& path) { openPath(toPath(path)); });
    dialog->open();
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event)
{
    const QList<QUrl> urls = event->mimeData()->urls();
    if (!urls.isEmpty() && urls.first().isLocalFile()) {
        event->acceptProposedAction();
    }
}

void MainWindow::dropEvent(QDropEvent* event)
{
    event->acceptProposedAction();
    std::vector<std::filesystem::path> paths;
    for (const QUrl& url : event->mimeData()->urls()) {
        paths.push_back(toPath(url.toLocalFile()));
    }
    openPaths(paths);
}

} // namespace longlora::ui
