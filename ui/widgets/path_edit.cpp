// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/path_edit.h"

#include "ui/widget_name.h"

#include <QCompleter>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QMimeData>
#include <QStyle>
#include <QToolButton>

namespace longlora::ui {

PathEdit::PathEdit(Kind kind, const char* objectName, const QString& accessibleName,
                   QWidget* parent)
    : QWidget(parent)
    , m_kind(kind)
    , m_edit(named(new QLineEdit(this), objectName, accessibleName))
    , m_browse(new QToolButton(this))
{
    m_browse->setObjectName(QLatin1String(objectName) + QLatin1String("Browse"));
    m_browse->setAccessibleName(tr("Browse: %1").arg(accessibleName));
    m_browse->setIcon(style()->standardIcon(QStyle::SP_DirOpenIcon));
    m_browse->setToolTip(tr("Choose a folder"));

    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(4);
    layout->addWidget(m_edit);
    layout->addWidget(m_browse);
    setFocusProxy(m_edit);
    // The line edit would take a dropped folder as text.
    m_edit->setAcceptDrops(false);
    setAcceptDrops(true);

    connect(m_edit, &QLineEdit::editingFinished, this, [this] { choose(m_edit->text()); });
    connect(m_browse, &QToolButton::clicked, this, &PathEdit::browse);
}

QString PathEdit::path() const
{
    return m_edit->text().trimmed();
}

void PathEdit::setPath(const QString& path)
{
    m_announced = path;
    if (m_edit->text() != path) {
        m_edit->setText(path);
    }
    m_edit->setToolTip(path);
}

void PathEdit::setPlaceholder(const QString& text)
{
    m_edit->setPlaceholderText(text);
}

void PathEdit::setSuggestions(const QStringList& paths)
{
    auto* completer = new QCompleter(paths, m_edit);
    completer->setFilterMode(Qt::MatchContains);
    m_edit->setCompleter(completer);
}

void PathEdit::choose(const QString& path)
{
    const QString chosen = path.trimmed();
    if (chosen == m_announced) {
        return;
    }
    setPath(chosen);
    Q_EMIT pathChanged(chosen);
}

void PathEdit::browse()
{
    auto* dialog = new QFileDialog(this, m_edit->accessibleName(), path());
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    const bool isFile = m_kind == Kind::NewFile;
    dialog->setFileMode(isFile ? QFileDialog::AnyFile : QFileDialog::Directory);
    dialog->setOption(QFileDialog::ShowDirsOnly, !isFile);
    if (m_kind != Kind::ExistingFolder) {
        dialog->setAcceptMode(QFileDialog::AcceptSave);
    }
    connect(dialog, &QFileDialog::fileSelected, this, &PathEdit::choose);
    dialog->open();
}

void PathEdit::dragEnterEvent(QDragEnterEvent* event)
{
    const QList<QUrl> urls = event->mimeData()->urls();
    if (urls.size() == 1 && urls.first().isLocalFile()) {
        event->acceptProposedAction();
    }
}

void PathEdit::dropEvent(QDropEvent* event)
{
    choose(event->mimeData()->urls().first().toLocalFile());
    event->acceptProposedAction();
}

} // namespace longlora::ui
