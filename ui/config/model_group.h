// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>

class QFormLayout;
class QLabel;

namespace longlora::ui {

class ConfigForm;
class ModelChooser;
class ModelShelf;
class RunDraft;

/// Model folder and run name, and the model's card.
/// `draft`, `form` and `shelf` outlive it.
class ModelGroup : public QGroupBox {
    Q_OBJECT

public:
    ModelGroup(RunDraft& draft, ConfigForm& form, ModelShelf& shelf, QWidget* parent = nullptr);

Q_SIGNALS:
    /// The user chose a file that is no model folder yet.
    void openRequested(const QString& file);

private:
    void showCard();
    void showLines();

    RunDraft& m_draft;
    ModelChooser* m_folder;
    QFormLayout* m_card;
    QLabel* m_status;
    QLabel* m_warnings;
    QList<std::pair<QString, QString>> m_shown; ///< lines of the card
};

} // namespace longlora::ui
