// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/home_page.h"

#include "core/spec/plan/memory_planner.h"
#include "ui/models/run_table_model.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/column_scroll.h"
#include "ui/widgets/sparkline.h"
#include "ui/widgets/table_style.h"

#include <QFormLayout>
#include <QGroupBox>
#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSysInfo>
#include <QTableView>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

QLabel* makeHeading(const QString& text, double scale, QWidget* parent)
{
    auto* label = new QLabel(text, parent);
    QFont font = label->font();
    font.setPointSizeF(font.pointSizeF() * scale);
    font.setBold(true);
    label->setFont(font);
    return label;
}

QLabel* makeNote(const QString& text, QWidget* parent)
{
    auto* label = new QLabel(text, parent);
    label->setWordWrap(true);
    label->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    setFaint(label);
    return label;
}

} // namespace

HomePage::HomePage(RunTableModel& runs, bool hasDemo, const std::vector<Preset>& presets,
                   QWidget* parent)
    : QWidget(parent)
    , m_runs(runs)
    , m_table(named(new QTableView(this), "homeRecentRuns", tr("Recent runs")))
    , m_empty(named(makeNote(tr("No run yet. The demo makes one in about two minutes."), this),
                    "homeNoRuns", tr("About runs")))
{
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(28, 24, 28, 20);
    layout->setSpacing(32);
    layout->addWidget(makeLeft(hasDemo, presets), 2);
    layout->addWidget(makeRecent(), 5);
    connect(&m_runs, &RunTableModel::refreshed, this, &HomePage::showRuns);
    showRuns();
}

QWidget* HomePage::makeLeft(bool hasDemo, const std::vector<Preset>& presets)
{
    auto* content = new QWidget(this);
    auto* left = new QVBoxLayout(content);
    left->setContentsMargins(0, 0, 8, 0);
    left->setSpacing(6);
    left->addWidget(makeHeading(tr("LongLoRA Workbench"), 1.7, this));
    left->addWidget(makeNote(tr("Give a language model a longer context, watch it learn, and ask "
                                "it about a long text."),
                             this));
    left->addSpacing(16);
    left->addWidget(makeStart(hasDemo, presets));
    left->addSpacing(16);
    left->addWidget(makeMachine());
    left->addStretch();
    left->addWidget(
        makeNote(tr("Drop a model folder, a GGUF file, an adapter, a run folder or a text "
                    "document anywhere in this window: it opens on the page it belongs "
                    "to."),
                 this));
    // With large text there is more than a window's height.
    return named(new ColumnScroll(content, this), "homeScroll", tr("How to begin"));
}

QPushButton* HomePage::makePresets(const std::vector<Preset>& presets, QWidget* parent)
{
    auto* button = named(new QPushButton(tr("New run from &preset"), parent), "homeNewFromPreset",
                         tr("New run from preset"));
    auto* menu = new QMenu(button);
    for (const Preset& preset : presets) {
        QAction* action = menu->addAction(tr("%1: %2 tokens, devices: %3")
                                              .arg(toQString(preset.name),
                                                   countText(preset.config.context.length),
                                                   countText(preset.config.devices.ranks)));
        action->setObjectName(toQString("homePreset-" + preset.name));
        connect(action, &QAction::triggered, this,
                [this, config = preset.config] { Q_EMIT presetRequested(config); });
    }
    button->setMenu(menu);
    button->setVisible(!presets.empty());
    return button;
}

QWidget* HomePage::makeStart(bool hasDemo, const std::vector<Preset>& presets)
{
    auto* box = new QWidget(this);
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    auto* demo =
        named(new QPushButton(tr("&Try the demo"), box), "homeTryDemo", tr("Try the demo"));
    demo->setDefault(true);
    connect(demo, &QPushButton::clicked, this, &HomePage::demoRequested);
    auto* create = named(new QPushButton(tr("&New run"), box), "homeNewRun", tr("New run"));
    connect(create, &QPushButton::clicked, this, &HomePage::newRunRequested);
    for (QPushButton* button : {demo, create}) {
        button->setMinimumHeight(button->fontMetrics().height() * 5 / 2);
    }
    demo->setVisible(hasDemo);
    layout->addWidget(demo);
    if (hasDemo) {
        layout->addWidget(makeNote(tr("Extends a tiny bundled model four-fold, on this machine, in "
                                      "three steps."),
                                   box));
        layout->addSpacing(6);
    }
    layout->addWidget(create);
    layout->addWidget(makeNote(tr("Choose a model, a length and data; see what fits before it "
                                  "starts."),
                               box));
    layout->addSpacing(6);
    QPushButton* preset = makePresets(presets, box);
    preset->setMinimumHeight(create->minimumHeight());
    layout->addWidget(preset);
    if (!presets.empty()) {
        layout->addWidget(makeNote(tr("The paper's runs, and runs for one card of 24, 48 or 80 GB, "
                                      "planned before anything is downloaded."),
                                   box));
    }
    return box;
}

QWidget* HomePage::makeMachine()
{
    auto* box = new QGroupBox(tr("This machine"), this);
    auto* form = new QFormLayout(box);
    const auto add = [&](const QString& name, const QString& value, const char* objectName) {
        auto* label = named(new QLabel(value, box), objectName, name);
        label->setWordWrap(true);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        form->addRow(name, label);
        return label;
    };
    m_device = add(tr("Computes on"), {}, "homeDevice");
    m_memory = add(tr("Free memory"), {}, "homeMemory");
    add(tr("System"), QSysInfo::prettyProductName(), "homeSystem");
    showDevice(localCpuProfile());
    return box;
}

void HomePage::showDevice(const DeviceProfile& device)
{
    m_device->setText(toQString(device.name));
    m_memory->setText(device.takenBytes > 0.0
                          ? tr("%1; %2 are taken by other programs")
                                .arg(bytesText(device.memoryBytes), bytesText(device.takenBytes))
                          : bytesText(device.memoryBytes));
}

QWidget* HomePage::makeRecent()
{
    auto* box = new QWidget(this);
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(makeHeading(tr("Recent runs"), 1.15, box));
    m_table->setModel(&m_runs);
    styleTable(*m_table);
    m_table->setItemDelegateForColumn(RunTableModel::Curve, new SparklineDelegate(m_table));
    for (const int column : {RunTableModel::Base, RunTableModel::Step, RunTableModel::Rate,
                             RunTableModel::Duration, RunTableModel::Peak}) {
        m_table->hideColumn(column);
    }
    m_table->horizontalHeader()->setSectionResizeMode(RunTableModel::Name, QHeaderView::Stretch);
    layout->addWidget(m_table, 1);
    layout->addWidget(m_empty, 1, Qt::AlignTop);
    connect(m_table, &QTableView::activated, this, [this](const QModelIndex& index) {
        Q_EMIT runRequested(m_runs.run(index.row()).folder);
    });
    return box;
}

void HomePage::showRuns()
{
    const bool empty = m_runs.rowCount() == 0;
    m_table->setVisible(!empty);
    m_empty->setVisible(empty);
    fitColumns(*m_table);
    m_table->horizontalHeader()->setSectionResizeMode(RunTableModel::Name, QHeaderView::Stretch);
}

} // namespace longlora::ui
