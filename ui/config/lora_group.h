// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>
#include <QList>

#include <string>
#include <vector>

class QCheckBox;
class QLabel;

namespace longlora::ui {

class ConfigForm;
class RunDraft;

/// LoRA or every weight; rank, alpha, target modules with presets, embeddings and norms with what
/// they cost.
/// `draft` and `form` outlive it.
class LoraGroup : public QGroupBox {
    Q_OBJECT

public:
    LoraGroup(RunDraft& draft, ConfigForm& form, QWidget* parent = nullptr);

private:
    QWidget* makeTargets();
    void setTargets(const std::vector<std::string>& targets);
    void showDraft();

    RunDraft& m_draft;
    QList<QWidget*> m_loraRows; ///< without a meaning when every weight is trained
    QList<QCheckBox*> m_targets;
    QLabel* m_embeddings;
    QLabel* m_norms;
};

} // namespace longlora::ui
