// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QMenu;

namespace longlora::ui {

class ModelShelf;
class PathEdit;

/// A model's folder: typed, browsed for, dropped, or taken from the models at hand. A GGUF file may
/// be named too.
class ModelChooser : public QWidget {
    Q_OBJECT

public:
    /// The field is called `objectName`, the button with the list `objectName` + "List", its
    /// entries `objectName` + "Recent0" and on, "Cached0" and on, "File". `shelf` outlives this.
    ModelChooser(ModelShelf& shelf, const char* objectName, const QString& accessibleName,
                 QWidget* parent = nullptr);

    QString path() const;
    /// Does not emit pathChanged().
    void setPath(const QString& path);
    void setPlaceholder(const QString& text);

Q_SIGNALS:
    /// The user chose another folder.
    void pathChanged(const QString& folder);
    /// The user chose a file: of GGUF, of a model, or something else. The field shows the folder
    /// that was there.
    void fileChosen(const QString& file);

private:
    void take(const QString& path);
    void fillMenu();
    void addModels(const char* suffix, const QString& title, bool isCache);
    void chooseFile();

    ModelShelf& m_shelf;
    QString m_name;
    PathEdit* m_edit;
    QMenu* m_menu;
    QString m_folder;
};

} // namespace longlora::ui
