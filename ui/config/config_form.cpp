// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/config_form.h"

#include "core/spec/base/error.h"
#include "core/spec/config/config_json.h"
#include "ui/config/field_catalog.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/number_edit.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <limits>

namespace longlora::ui {

FieldRow::FieldRow(const QString& label, QWidget* editor, QWidget* parent)
    : QWidget(parent)
    , m_editor(editor)
{
    auto* name = new QLabel(label, this);
    name->setBuddy(editor);
    name->setToolTip(editor->toolTip());
    // Labels of one column line up; longer ones wrap rather than push.
    name->setFixedWidth(name->fontMetrics().averageCharWidth() * 19);
    name->setWordWrap(true);
    build(name);
}

FieldRow::FieldRow(QWidget* editor, QWidget* parent)
    : QWidget(parent)
    , m_editor(editor)
{
    build(nullptr);
}

void FieldRow::build(QLabel* label)
{
    m_problem = new QLabel(this);
    m_problem->setWordWrap(true);
    m_problem->setTextFormat(Qt::PlainText);
    m_suggestion = named(new QPushButton(this), "", QString());
    m_suggestion->setObjectName(m_editor->objectName() + QLatin1String(".suggestion"));
    m_suggestion->setAccessibleName(tr("Take the suggestion"));
    connect(m_suggestion, &QPushButton::clicked, this, [this] { m_apply(); });

    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(2);
    auto* line = new QHBoxLayout;
    line->setSpacing(6);
    if (label != nullptr) {
        line->addWidget(label);
        // Beside an editor of several rows it stands at the first.
        if (m_editor->sizeHint().height() > 2 * label->sizeHint().height()) {
            label->setMinimumHeight(QCheckBox(label->text()).sizeHint().height());
            line->setAlignment(label, Qt::AlignTop);
        }
    }
    line->addWidget(m_editor, 1);
    layout->addLayout(line);
    auto* problem = new QHBoxLayout;
    problem->addWidget(m_problem, 1);
    problem->addWidget(m_suggestion);
    layout->addLayout(problem);
    layout->addStretch();
    m_problem->hide();
    m_suggestion->hide();
}

void FieldRow::setIssue(const ConfigIssue* issue,
                        const std::function<void(const ConfigIssue&)>& apply)
{
    m_problem->setVisible(issue != nullptr);
    m_suggestion->setVisible(issue != nullptr && !issue->suggestion.empty());
    if (issue == nullptr) {
        m_editor->setAccessibleDescription({});
        return;
    }
    const PlotTheme theme(palette());
    QPalette colours = palette();
    colours.setColor(QPalette::WindowText, issue->severity == Severity::Error ? theme.bad
                                           : issue->severity == Severity::Warning
                                               ? theme.warning
                                               : theme.faintText);
    m_problem->setPalette(colours);
    m_problem->setText(toQString(issue->message));
    m_editor->setAccessibleDescription(m_problem->text());
    m_suggestion->setText(tr("Use %1").arg(toQString(issue->suggestion).remove(u'"')));
    m_apply = [apply, issue = *issue] { apply(issue); };
}

ConfigForm::ConfigForm(RunDraft& draft, QObject* parent)
    : QObject(parent)
    , m_draft(draft)
{
    connect(&draft, &RunDraft::changed, this, &ConfigForm::showDraft);
}

void ConfigForm::prepare(const char* key, QWidget* editor) const
{
    editor->setObjectName(QLatin1String(key));
    editor->setAccessibleName(fieldLabel(key));
    editor->setToolTip(fieldToolTip(key));
}

FieldRow* ConfigForm::add(const char* key, FieldRow* row,
                          std::function<void(const RunConfig&)> show)
{
    m_rows.insert(QLatin1String(key), row);
    show(m_draft.config());
    m_shows.push_back(std::move(show));
    return row;
}

FieldRow* ConfigForm::integer(const char* key, const QString& zeroText)
{
    const Field field = fieldOf(key);
    auto* spin = new QSpinBox;
    prepare(key, spin);
    const auto clamp = [](double value) {
        return static_cast<int>(std::clamp(value, -1.0, double(std::numeric_limits<int>::max())));
    };
    spin->setRange(clamp(field.minimum), clamp(field.maximum));
    spin->setGroupSeparatorShown(true);
    spin->setStepType(QAbstractSpinBox::AdaptiveDecimalStepType);
    spin->setKeyboardTracking(true);
    spin->setSpecialValueText(zeroText);
    const auto showUnit = [spin, unit = fieldUnit(key), one = fieldUnit(key, 1)] {
        spin->setSuffix(spin->value() == 1 ? one : unit);
    };
    connect(spin, &QSpinBox::valueChanged, this, [this, key, showUnit](int value) {
        showUnit();
        m_draft.edit([&](RunConfig& c) { fieldValue<std::int64_t>(c, key) = value; });
    });
    return add(key, new FieldRow(fieldLabel(key), spin),
               [spin, key, showUnit](const RunConfig& config) {
                   const QSignalBlocker blocker(spin);
                   RunConfig copy = config;
                   spin->setValue(static_cast<int>(fieldValue<std::int64_t>(copy, key)));
                   showUnit();
               });
}

FieldRow* ConfigForm::real(const char* key)
{
    const Field field = fieldOf(key);
    auto* edit = new NumberEdit(field.minimum, field.maximum);
    prepare(key, edit);
    connect(edit, &NumberEdit::valueEdited, this, [this, key](double value) {
        m_draft.edit([&](RunConfig& c) { fieldValue<double>(c, key) = value; });
    });
    return add(key, new FieldRow(fieldLabel(key), edit), [edit, key](const RunConfig& config) {
        RunConfig copy = config;
        edit->setNumber(fieldValue<double>(copy, key));
    });
}

FieldRow* ConfigForm::text(const char* key)
{
    auto* edit = new QLineEdit;
    prepare(key, edit);
    connect(edit, &QLineEdit::textEdited, this, [this, key](const QString& text) {
        m_draft.edit([&](RunConfig& c) { fieldValue<std::string>(c, key) = text.toStdString(); });
    });
    return add(key, new FieldRow(fieldLabel(key), edit), [edit, key](const RunConfig& config) {
        RunConfig copy = config;
        const QString text = toQString(fieldValue<std::string>(copy, key));
        if (edit->text() != text) {
            edit->setText(text);
        }
    });
}

FieldRow* ConfigForm::check(const char* key)
{
    auto* box = new QCheckBox(fieldLabel(key));
    prepare(key, box);
    connect(box, &QCheckBox::toggled, this, [this, key](bool checked) {
        m_draft.edit([&](RunConfig& c) { fieldValue<bool>(c, key) = checked; });
    });
    return add(key, new FieldRow(box), [box, key](const RunConfig& config) {
        const QSignalBlocker blocker(box);
        RunConfig copy = config;
        box->setChecked(fieldValue<bool>(copy, key));
    });
}

FieldRow* ConfigForm::combo(const char* key, const QList<std::pair<int, QString>>& labels,
                            std::function<int(RunConfig&)> get,
                            std::function<void(RunConfig&, int)> set)
{
    auto* box = new QComboBox;
    prepare(key, box);
    for (const auto& [value, label] : labels) {
        box->addItem(label, value);
    }
    connect(box, &QComboBox::currentIndexChanged, this, [this, box, set](int index) {
        m_draft.edit([&](RunConfig& c) { set(c, box->itemData(index).toInt()); });
    });
    return add(key, new FieldRow(fieldLabel(key), box), [box, get](const RunConfig& config) {
        const QSignalBlocker blocker(box);
        RunConfig copy = config;
        box->setCurrentIndex(box->findData(get(copy)));
    });
}

template <class Enum>
FieldRow* ConfigForm::choice(const char* key, const QList<std::pair<Enum, QString>>& labels)
{
    QList<std::pair<int, QString>> numbered;
    for (const auto& [value, label] : labels) {
        numbered.append({static_cast<int>(value), label});
    }
    return combo(
        key, numbered, [key](RunConfig& c) { return static_cast<int>(fieldValue<Enum>(c, key)); },
        [key](RunConfig& c, int value) { fieldValue<Enum>(c, key) = static_cast<Enum>(value); });
}

template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<ContextRope, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<AttentionKind, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<GroupEdge, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<Packing, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<ScheduleKind, QString>>&);
template FieldRow* ConfigForm::choice(const char*,
                                      const QList<std::pair<ComputePrecision, QString>>&);
template FieldRow* ConfigForm::choice(const char*,
                                      const QList<std::pair<TrainingMethod, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<Quantization, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<OffloadMode, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<MomentFormat, QString>>&);
template FieldRow* ConfigForm::choice(const char*, const QList<std::pair<DeviceKind, QString>>&);
template FieldRow* ConfigForm::choice(const char*,
                                      const QList<std::pair<RecomputeLevel, QString>>&);

FieldRow* ConfigForm::custom(const char* key, QWidget* editor,
                             std::function<void(const RunConfig&)> show)
{
    prepare(key, editor);
    return add(key, new FieldRow(fieldLabel(key), editor), std::move(show));
}

FieldRow* ConfigForm::unlabelled(const char* key, QWidget* editor,
                                 std::function<void(const RunConfig&)> show)
{
    prepare(key, editor);
    return add(key, new FieldRow(editor), std::move(show));
}

std::vector<ConfigIssue> ConfigForm::otherIssues() const
{
    std::vector<ConfigIssue> others;
    std::copy_if(
        m_draft.issues().begin(), m_draft.issues().end(), std::back_inserter(others),
        [this](const ConfigIssue& issue) { return !m_rows.contains(toQString(issue.field)); });
    return others;
}

bool ConfigForm::focus(std::string_view key)
{
    FieldRow* row = m_rows.value(toQString(key));
    if (row != nullptr) {
        row->editor()->setFocus(Qt::OtherFocusReason);
    }
    return row != nullptr;
}

void ConfigForm::applySuggestion(const ConfigIssue& issue)
{
    RunConfig next = m_draft.config();
    try {
        applySetting(next, issue.field + '=' + issue.suggestion);
    } catch (const Error&) {
        // A suggestion that does not parse is a defect of the check that made it; the row stays.
        Q_ASSERT(false);
        return;
    }
    m_draft.setConfig(next);
}

void ConfigForm::showDraft()
{
    for (const auto& show : m_shows) {
        show(m_draft.config());
    }
    for (auto row = m_rows.cbegin(); row != m_rows.cend(); ++row) {
        const ConfigIssue* gravest = nullptr;
        for (const ConfigIssue& issue : m_draft.issues()) {
            if (toQString(issue.field) == row.key() &&
                (gravest == nullptr || issue.severity > gravest->severity)) {
                gravest = &issue;
            }
        }
        row.value()->setIssue(gravest,
                              [this](const ConfigIssue& issue) { applySuggestion(issue); });
    }
}

} // namespace longlora::ui
