// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/model_chooser.h"

#include "ui/config/model_shelf.h"
#include "ui/text_format.h"
#include "ui/widgets/path_edit.h"

#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QMenu>
#include <QPushButton>

namespace longlora::ui {

ModelChooser::ModelChooser(ModelShelf& shelf, const char* objectName, const QString& accessibleName,
                           QWidget* parent)
    : QWidget(parent)
    , m_shelf(shelf)
    , m_name(QLatin1String(objectName))
    , m_edit(new PathEdit(PathEdit::Kind::ExistingFolder, objectName, accessibleName, this))
    , m_menu(new QMenu(this))
{
    setObjectName(m_name + QLatin1String("Chooser"));
    auto* list = new QPushButton(tr("Models"), this);
    list->setObjectName(m_name + QLatin1String("List"));
    list->setAccessibleName(tr("Models at hand: %1").arg(accessibleName));
    list->setToolTip(tr("Models used lately and those of the Hugging Face cache"));
    list->setMenu(m_menu);
    m_menu->setToolTipsVisible(true);

    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(4);
    layout->addWidget(m_edit, 1);
    layout->addWidget(list);
    setFocusProxy(m_edit);
    m_edit->setAcceptDrops(false); // the window knows what a dropped path is
    connect(m_edit, &PathEdit::pathChanged, this, &ModelChooser::take);
    connect(m_menu, &QMenu::aboutToShow, &m_shelf, &ModelShelf::refresh);
    connect(&m_shelf, &ModelShelf::refreshed, this, &ModelChooser::fillMenu);
    fillMenu();
}

QString ModelChooser::path() const
{
    return m_edit->path();
}

void ModelChooser::setPath(const QString& path)
{
    m_folder = path;
    m_edit->setPath(path);
}

void ModelChooser::setPlaceholder(const QString& text)
{
    m_edit->setPlaceholder(text);
}

void ModelChooser::take(const QString& path)
{
    if (QFileInfo(path).isFile()) {
        m_edit->setPath(m_folder);
        Q_EMIT fileChosen(path);
        return;
    }
    m_folder = path;
    Q_EMIT pathChanged(path);
}

void ModelChooser::fillMenu()
{
    m_menu->clear();
    addModels("Recent", tr("Used lately"), false);
    addModels("Cached", tr("Hugging Face cache"), true);
    m_menu->addSeparator();
    QAction* file = m_menu->addAction(tr("Import a GGUF file"), this, &ModelChooser::chooseFile);
    file->setObjectName(m_name + QLatin1String("File"));

    QStringList folders;
    for (const ModelSummary& model : m_shelf.recent()) {
        folders.append(pathText(model.folder));
    }
    m_edit->setSuggestions(folders);
}

void ModelChooser::addModels(const char* suffix, const QString& title, bool isCache)
{
    const std::vector<ModelSummary>& models = isCache ? m_shelf.cached() : m_shelf.recent();
    m_menu->addSection(title);
    if (models.empty()) {
        m_menu->addAction(isCache ? tr("There is no model in it") : tr("None yet"))
            ->setEnabled(false);
    }
    int index = 0;
    for (const ModelSummary& model : models) {
        const QString folder = pathText(model.folder);
        // An ampersand in a name is no mnemonic.
        const QString name = toQString(model.name).replace(u'&', QLatin1String("&&"));
        QAction* action = m_menu->addAction(tr("%1: %2").arg(name, summaryText(model)));
        action->setObjectName(m_name + QLatin1String(suffix) + QString::number(index++));
        action->setToolTip(
            model.problem.empty() ? folder : tr("%1\n%2").arg(folder, toQString(model.problem)));
        connect(action, &QAction::triggered, this, [this, folder] {
            m_edit->setPath(folder);
            take(folder);
        });
    }
}

void ModelChooser::chooseFile()
{
    auto* dialog = new QFileDialog(this, tr("Import a GGUF file"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::ExistingFile);
    dialog->setNameFilters({tr("GGUF files (*.gguf)"), tr("All files (*)")});
    connect(dialog, &QFileDialog::fileSelected, this, &ModelChooser::fileChosen);
    dialog->open();
}

} // namespace longlora::ui
