// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QLineEdit;
class QToolButton;

namespace longlora::ui {

/// A path typed, browsed for or dropped.
class PathEdit : public QWidget {
    Q_OBJECT

public:
    enum class Kind { ExistingFolder, NewFolder, NewFile };

    /// The line edit is called `objectName`, the browse button `objectName` + "Browse".
    PathEdit(Kind kind, const char* objectName, const QString& accessibleName,
             QWidget* parent = nullptr);

    QString path() const;
    /// Does not emit pathChanged().
    void setPath(const QString& path);
    void setPlaceholder(const QString& text);
    /// What browsing looks for from now on.
    void setKind(Kind kind) { m_kind = kind; }
    /// Offered while typing, newest first.
    void setSuggestions(const QStringList& paths);

Q_SIGNALS:
    /// The user chose another path: typing ended, a folder was picked or dropped.
    void pathChanged(const QString& path);

protected:
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void choose(const QString& path);
    void browse();

    Kind m_kind;
    QLineEdit* m_edit;
    QToolButton* m_browse;
    QString m_announced;
};

} // namespace longlora::ui
