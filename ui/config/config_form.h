// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/config/run_draft.h"

#include <QHash>
#include <QWidget>

#include <functional>
#include <string_view>

class QLabel;
class QPushButton;

namespace longlora::ui {

/// One option: its label, its editor, and below them whatever is wrong with it.
class FieldRow : public QWidget {
    Q_OBJECT

public:
    FieldRow(const QString& label, QWidget* editor, QWidget* parent = nullptr);
    /// For check boxes, which bring their own label.
    FieldRow(QWidget* editor, QWidget* parent = nullptr);

    /// Shows the gravest issue; null hides it. `apply` takes its suggestion over.
    void setIssue(const ConfigIssue* issue, const std::function<void(const ConfigIssue&)>& apply);
    QWidget* editor() const { return m_editor; }

private:
    void build(QLabel* label);

    QWidget* m_editor;
    QLabel* m_problem;
    QPushButton* m_suggestion;
    std::function<void()> m_apply;
};

/// Makes editors for the options of a run and keeps them and the draft the same. Labels, units,
/// ranges and tool tips come from run_config_fields.h; an editor's objectName is its dotted key.
class ConfigForm : public QObject {
    Q_OBJECT

public:
    explicit ConfigForm(RunDraft& draft, QObject* parent = nullptr);

    /// `zeroText`: shown instead of 0.
    FieldRow* integer(const char* key, const QString& zeroText = {});
    /// Log-like steps: the arrow keys change a value in its second digit.
    FieldRow* real(const char* key);
    FieldRow* text(const char* key);
    FieldRow* check(const char* key);
    /// One entry per enumerator in `labels` (value, text).
    template <class Enum>
    FieldRow* choice(const char* key, const QList<std::pair<Enum, QString>>& labels);
    /// Takes part with an editor made elsewhere; `show` puts the draft's value into it.
    FieldRow* custom(const char* key, QWidget* editor, std::function<void(const RunConfig&)> show);
    /// Same, for an editor without a label of its own beside it.
    FieldRow* unlabelled(const char* key, QWidget* editor,
                         std::function<void(const RunConfig&)> show);

    /// Issues of options that have no row.
    std::vector<ConfigIssue> otherIssues() const;
    /// Puts the keyboard focus on the option's editor; false if it has no row.
    bool focus(std::string_view key);

    void applySuggestion(const ConfigIssue& issue);

private:
    FieldRow* add(const char* key, FieldRow* row, std::function<void(const RunConfig&)> show);
    FieldRow* combo(const char* key, const QList<std::pair<int, QString>>& labels,
                    std::function<int(RunConfig&)> get, std::function<void(RunConfig&, int)> set);
    void prepare(const char* key, QWidget* editor) const;
    void showDraft();

    RunDraft& m_draft;
    QHash<QString, FieldRow*> m_rows;
    std::vector<std::function<void(const RunConfig&)>> m_shows;
};

} // namespace longlora::ui
