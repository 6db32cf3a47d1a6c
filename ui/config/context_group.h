// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>
#include <QList>

class QComboBox;
class QDoubleSpinBox;

namespace longlora::ui {

class ConfigForm;
class FieldRow;
class RunDraft;
class S2PatternView;

/// Length or factor, position method, attention, and the picture of who sees whom.
/// `draft` and `form` outlive it.
class ContextGroup : public QGroupBox {
    Q_OBJECT

public:
    ContextGroup(RunDraft& draft, ConfigForm& form, QWidget* parent = nullptr);

private:
    FieldRow* makeFactor();
    FieldRow* makeGroupMode();
    FieldRow* makeGroupSize(ConfigForm& form);
    void showDraft();

    RunDraft& m_draft;
    QDoubleSpinBox* m_factor;
    QComboBox* m_groupMode;
    FieldRow* m_ratio;
    FieldRow* m_group;
    QList<FieldRow*> m_sparseRows; ///< only meaningful with shifted sparse attention
    S2PatternView* m_pattern;
};

} // namespace longlora::ui
