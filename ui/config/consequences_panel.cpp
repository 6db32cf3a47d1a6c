// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/consequences_panel.h"

#include "ui/config/config_form.h"
#include "ui/config/dry_run_panel.h"
#include "ui/config/plan_group.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/column_scroll.h"

#include <QFormLayout>
#include <QGroupBox>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

#include <algorithm>

namespace longlora::ui {

namespace {

/// "2.69 GFLOP": floating-point operations.
QString flopsText(double operations)
{
    struct Unit {
        double size;
        const char* name;
    };
    static constexpr Unit kUnits[] = {{1e15, "PFLOP"}, {1e12, "TFLOP"}, {1e9, "GFLOP"}};
    for (const Unit& unit : kUnits) {
        if (operations >= unit.size) {
            return numberText(operations / unit.size, 3) + u' ' + QLatin1String(unit.name);
        }
    }
    return numberText(operations / 1e6, 3) + QLatin1String(" MFLOP");
}

/// "; 20,612 tokens/s, HFU 50 %, MFU 40 %".
QString useText(const StepTime& time)
{
    QString text = QLatin1String("; ") + rateText(time.tokensPerSecond());
    if (time.hardwareUse() > 0.0) {
        text += ConsequencesPanel::tr(", HFU %1, MFU %2")
                    .arg(percentText(time.hardwareUse()), percentText(time.modelUse()));
    }
    return text;
}

QLabel* makeValue(const char* objectName, const QString& name, QWidget* parent)
{
    auto* label = named(new QLabel(parent), objectName, name);
    label->setWordWrap(true);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    return label;
}

} // namespace

ConsequencesPanel::ConsequencesPanel(RunDraft& draft, ConfigForm& form, DryRunService* dryRun,
                                     QWidget* parent)
    : QWidget(parent)
    , m_draft(draft)
    , m_form(form)
{
    // What stands above the buttons scrolls where text is large; the buttons stay in sight.
    auto* content = new QWidget(this);
    auto* contentLayout = new QVBoxLayout(content);
    contentLayout->setContentsMargins(0, 0, 0, 0);
    contentLayout->addWidget(makeFigures());
    contentLayout->addWidget(new PlanGroup(draft, form, content));
    if (dryRun != nullptr) {
        m_dryRun = new DryRunPanel(draft, *dryRun, content);
        connect(m_dryRun, &DryRunPanel::runningChanged, this, &ConsequencesPanel::showDraft);
        contentLayout->addWidget(m_dryRun);
    }
    contentLayout->addWidget(makeProblems());
    contentLayout->addStretch();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(10, 0, 0, 0);
    layout->addWidget(
        named(new ColumnScroll(content, this), "configureConsequences", tr("Consequences")), 1);
    layout->addWidget(makeButtons());
    connect(&draft, &RunDraft::changed, this, &ConsequencesPanel::showDraft);
    showDraft();
}

QWidget* ConsequencesPanel::makeFigures()
{
    auto* box = new QGroupBox(tr("What this trains"), this);
    m_trainable = makeValue("configureTrainable", tr("Trainable parameters"), box);
    QFont large = m_trainable->font();
    large.setPointSizeF(large.pointSizeF() * 1.4);
    large.setBold(true);
    m_trainable->setFont(large);
    m_trainableParts = makeValue("configureTrainableParts", tr("Parts of the trainable"), box);
    setFaint(m_trainableParts);
    m_tokensPerStep = makeValue("configureTokensPerStep", tr("Tokens per step"), box);
    m_stepTime = makeValue("configureStepTime", tr("Time"), box);
    m_largest = makeValue("configureLargestContext", tr("Largest context that fits"), box);
    m_largest->setToolTip(tr("With everything else as it is"));
    m_host = makeValue("configureHost", tr("Memory of the machine"), box);
    m_host->setToolTip(tr("Where the layers' inputs wait while the GPU works on other layers"));
    m_disk = makeValue("configureDisk", tr("Disk needed"), box);

    m_useLargest = named(new QPushButton(tr("&Use this context"), box), "configureUseLargest",
                         tr("Use this context"));
    m_useLargest->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    m_useLargest->setToolTip(tr("Takes the largest context that fits into the form"));
    connect(m_useLargest, &QPushButton::clicked, this, [this] {
        m_draft.edit([this](RunConfig& config) {
            config.context.length = m_draft.plan()->largestContext;
            config.context.factor.reset(); // it follows the length again
        });
    });

    auto* form = new QFormLayout;
    m_figures = form;
    form->addRow(tr("Per step"), m_tokensPerStep);
    form->addRow(tr("Time"), m_stepTime);
    form->addRow(tr("Largest context"), m_largest);
    form->addRow(QString(), m_useLargest);
    form->addRow(tr("Machine's memory"), m_host);
    form->setRowVisible(m_host, false);
    form->addRow(tr("Disk"), m_disk);
    form->setVerticalSpacing(3);
    auto* layout = new QVBoxLayout(box);
    layout->addWidget(m_trainable);
    layout->addWidget(m_trainableParts);
    layout->addLayout(form);
    return box;
}

QWidget* ConsequencesPanel::makeProblems()
{
    auto* box = new QWidget(this);
    m_problemTitle = named(new QLabel(box), "configureProblemTitle", tr("About problems"));
    m_problems = named(new QListWidget(box), "configureProblems", tr("Problems"));
    m_problems->setWordWrap(true);
    m_problems->setToolTip(tr("Enter goes to the option"));
    const int line = m_problems->fontMetrics().height();
    m_problems->setIconSize({line, line});
    m_problems->setFixedHeight(line * 8);
    connect(m_problems, &QListWidget::itemActivated, this, [this](const QListWidgetItem* item) {
        m_form.focus(item->data(Qt::UserRole).toString().toStdString());
    });
    connect(m_problems, &QListWidget::itemClicked, this, [this](const QListWidgetItem* item) {
        m_form.focus(item->data(Qt::UserRole).toString().toStdString());
    });
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_problemTitle);
    layout->addWidget(m_problems, 1);
    return box;
}

QWidget* ConsequencesPanel::makeButtons()
{
    auto* box = new QWidget(this);
    m_start =
        named(new QPushButton(tr("&Start training"), box), "configureStart", tr("Start training"));
    m_start->setDefault(true);
    m_start->setMinimumHeight(m_start->fontMetrics().height() * 2);
    auto* copy = named(new QPushButton(tr("&Copy as command"), box), "configureCopyCommand",
                       tr("Copy as command"));
    copy->setToolTip(tr("The line for the terminal that makes the same run"));
    m_startNote = named(new QLabel(box), "configureStartNote", tr("About starting"));
    m_startNote->setWordWrap(true);
    setFaint(m_startNote);
    connect(m_start, &QPushButton::clicked, this, &ConsequencesPanel::startRequested);
    connect(copy, &QPushButton::clicked, this, &ConsequencesPanel::copyRequested);

    auto* buttons = new QHBoxLayout;
    buttons->addWidget(m_start, 1);
    buttons->addWidget(copy);
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_startNote);
    layout->addLayout(buttons);
    return box;
}

void ConsequencesPanel::setObstacle(const QString& obstacle)
{
    m_obstacle = obstacle;
    showDraft();
}

void ConsequencesPanel::showDraft()
{
    showFigures();
    showProblems();
    const int errors = m_draft.errorCount();
    const bool readable = m_draft.card() && m_draft.card()->isUsable();
    const bool fits = m_draft.fitsHere();
    const bool possible = errors == 0 && readable && fits && m_obstacle.isEmpty();
    const bool tries = m_dryRun != nullptr && m_dryRun->isRunning();
    m_start->setEnabled(possible && !tries);
    if (m_dryRun != nullptr) {
        m_dryRun->setPossible(possible);
    }
    m_startNote->setText(errors > 0                 ? tr("Problems to solve first: %1").arg(errors)
                         : m_draft.isReadingModel() ? tr("Reading the model")
                         : !readable                ? tr("Choose a complete model first")
                         : !fits ? tr("The plan does not fit the memory of this machine")
                         : tries ? tr("The dry run is under way")
                                 : m_obstacle);
    m_startNote->setVisible(!m_startNote->text().isEmpty());
}

void ConsequencesPanel::showFigures()
{
    const std::optional<MemoryPlan>& plan = m_draft.plan();
    const RunConfig& config = m_draft.config();
    if (!plan) {
        m_trainable->setText(tr("No model yet"));
        m_trainableParts->setText(tr("The figures follow every edit once a model is chosen."));
        for (QLabel* label : {m_largest, m_stepTime, m_tokensPerStep, m_disk}) {
            label->clear();
        }
        m_figures->setRowVisible(m_host, false);
        m_useLargest->setEnabled(false);
        return;
    }
    const TrainableCount count = countTrainable(*m_draft.model(), config);
    const double all = static_cast<double>(m_draft.model()->parameterCount());
    m_trainable->setText(tr("%1 trainable parameters").arg(countText(plan->trainableParameters)));
    m_trainableParts->setText(
        tr("LoRA %1, embeddings %2, norms %3; %4 of the model; %5 with gradients and moments")
            .arg(countText(count.lora), countText(count.embeddings), countText(count.norms),
                 percentText(static_cast<double>(count.total()) / all),
                 bytesText(plan->trainableBytes)));
    const std::int64_t rows = config.batch.microBatch * config.batch.accumulation *
                              std::max<std::int64_t>(1, config.devices.ranks) /
                              std::max<std::int64_t>(1, config.devices.sequenceParallel);
    m_tokensPerStep->setText(tr("%1 rows x %2 = %3 tokens")
                                 .arg(countText(rows), countText(m_draft.rowTokens()),
                                      countText(rows * m_draft.rowTokens())));
    m_stepTime->setText(
        plan->secondsPerStep > 0.0
            ? tr("about %1 per step, %2 in all")
                      .arg(durationText(plan->secondsPerStep),
                           durationText(plan->secondsPerStep *
                                        static_cast<double>(config.schedule.steps))) +
                  useText(plan->time)
            : tr("known after the first steps; %1 per step").arg(flopsText(plan->flopsPerStep)));
    m_largest->setText(plan->largestContext > 0
                           ? tr("%1 tokens").arg(countText(plan->largestContext))
                           : tr("none fits"));
    m_host->setText(plan->hostFits ? bytesText(plan->hostBytes)
                                   : tr("%1, more than is free").arg(bytesText(plan->hostBytes)));
    m_figures->setRowVisible(m_host, plan->hostBytes > 0.0);
    m_disk->setText(bytesText(plan->diskBytes));
    m_useLargest->setEnabled(plan->largestContext > 1 &&
                             plan->largestContext != m_draft.rowTokens());
}

void ConsequencesPanel::showProblems()
{
    m_problems->clear();
    for (const ConfigIssue& issue : m_draft.issues()) {
        const auto icon = issue.severity == Severity::Error     ? QStyle::SP_MessageBoxCritical
                          : issue.severity == Severity::Warning ? QStyle::SP_MessageBoxWarning
                                                                : QStyle::SP_MessageBoxInformation;
        auto* item = new QListWidgetItem(
            style()->standardIcon(icon),
            toQString(issue.field) + QLatin1String(": ") + toQString(issue.message), m_problems);
        item->setData(Qt::UserRole, toQString(issue.field));
        item->setToolTip(toQString(issue.message));
    }
    const bool any = m_problems->count() > 0;
    m_problems->setVisible(any);
    m_problemTitle->setText(any ? tr("Problems and notes") : tr("No problem found"));
}

} // namespace longlora::ui
