// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>

#include <array>

class QComboBox;
class QLabel;
class QModelIndex;
class QPushButton;
class QTableView;

namespace longlora::ui {

class ConfigForm;
class FrontierModel;
class PlanBar;
class PlanItemsModel;
class RunDraft;

/// The memory plan of a run: on which device, its parts against that device's memory, what would
/// fit where it does not, and what fits at other lengths and on more devices. `draft` outlives it.
class PlanGroup : public QGroupBox {
    Q_OBJECT

public:
    PlanGroup(RunDraft& draft, ConfigForm& form, QWidget* parent = nullptr);

private:
    static constexpr std::size_t kAlternatives = 3;

    QWidget* makeDevice(ConfigForm& form);
    void makeItems();
    QWidget* makeAlternatives();
    QWidget* makeFrontier();
    void showDraft();
    void showDevice();
    void showAlternatives();
    void showFrontier();
    void fitFrontier();
    void showFormula();
    void chooseDevice(int index);
    void takeAlternative(std::size_t index);
    void takeCell(const QModelIndex& cell);

    RunDraft& m_draft;
    QComboBox* m_device;
    QLabel* m_source;
    PlanBar* m_bar;
    PlanItemsModel* m_items;
    QTableView* m_table;
    QLabel* m_formula;
    QWidget* m_alternatives;
    std::array<QPushButton*, kAlternatives> m_alternative{};
    QWidget* m_frontierBox;
    QLabel* m_frontierTitle;
    FrontierModel* m_frontier;
    QTableView* m_frontierTable;
};

} // namespace longlora::ui
