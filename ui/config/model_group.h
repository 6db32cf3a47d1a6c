// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>

class QFormLayout;
class QLabel;

namespace longlora::ui {

class ConfigForm;
class PathEdit;
class RunDraft;

/// Model folder and run name, and the model's card.
/// `draft` and `form` outlive it.
class ModelGroup : public QGroupBox {
    Q_OBJECT

public:
    ModelGroup(RunDraft& draft, ConfigForm& form, QWidget* parent = nullptr);
    void setSuggestions(const QStringList& folders);

private:
    void showCard();

    RunDraft& m_draft;
    PathEdit* m_folder;
    QFormLayout* m_card;
    QLabel* m_status;
};

} // namespace longlora::ui
