// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>
#include <QList>

#include <string>
#include <vector>

class QCheckBox;
class QLabel;
class QPushButton;

namespace longlora {
struct ModelConfig;
}

namespace longlora::ui {

class ConfigForm;
class RunDraft;

/// LoRA or every weight; rank, alpha, the model's target modules with presets, embeddings and norms
/// with what they cost.
/// `draft` and `form` outlive it.
class LoraGroup : public QGroupBox {
    Q_OBJECT

public:
    LoraGroup(RunDraft& draft, ConfigForm& form, QWidget* parent = nullptr);

private:
    QWidget* makeTargets();
    QLayout* makePresets(QWidget* parent);
    void offerTargets(const ModelConfig& model);
    void takeChecked();
    void setTargets(const std::vector<std::string>& targets);
    void showDraft();
    void showTargets();
    void showCosts();

    RunDraft& m_draft;
    QList<QWidget*> m_loraRows;           ///< without a meaning when every weight is trained
    std::vector<std::string> m_attention; ///< of the model, or Llama's while there is none
    std::vector<std::string> m_all;
    QList<QCheckBox*> m_targets; ///< of all families; those of the model are shown
    QPushButton* m_longLora = nullptr;
    QPushButton* m_allLinear = nullptr;
    QLabel* m_dropped;
    QLabel* m_embeddings;
    QLabel* m_norms;
};

} // namespace longlora::ui
