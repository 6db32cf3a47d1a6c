// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/plan_group.h"

#include "core/spec/plan/device_table.h"
#include "ui/config/config_form.h"
#include "ui/config/field_catalog.h"
#include "ui/models/frontier_model.h"
#include "ui/models/plan_items_model.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/plan_bar.h"
#include "ui/widgets/table_style.h"

#include <QComboBox>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QStyle>
#include <QTableView>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

QLabel* makeNote(const char* objectName, const QString& name, QWidget* parent)
{
    auto* label = named(new QLabel(parent), objectName, name);
    label->setWordWrap(true);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setFaint(label);
    return label;
}

/// "Context length 79,360 tokens" of "context.length=79360".
QString settingText(const std::string& setting)
{
    const std::size_t equals = setting.find('=');
    const std::string key = setting.substr(0, equals);
    const QString value = toQString(setting.substr(equals + 1));
    bool isNumber = false;
    const qlonglong number = value.toLongLong(&isNumber);
    const QString text = isNumber ? countText(number) + fieldUnit(key, number)
                         : value == QLatin1String("false") ? PlanGroup::tr("off")
                                                           : value;
    return PlanGroup::tr("%1: %2").arg(fieldLabel(key), text);
}

/// Tall enough for all rows: the panel scrolls, not the table.
void fitHeight(QTableView& table)
{
    const int head =
        table.horizontalHeader()->isHidden() ? 0 : table.horizontalHeader()->sizeHint().height();
    table.setFixedHeight(head + table.verticalHeader()->length() + 2 * table.frameWidth());
}

} // namespace

PlanGroup::PlanGroup(RunDraft& draft, ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Plan"), parent)
    , m_draft(draft)
    , m_source(makeNote("configurePlanSource", tr("Source of the device's figures"), this))
    , m_bar(named(new PlanBar(this), "configurePlanBar", tr("Memory plan")))
    , m_items(new PlanItemsModel(this))
    , m_frontier(new FrontierModel(this))
{
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(makeDevice(form));
    layout->addWidget(m_source);
    layout->addWidget(m_bar);
    layout->addWidget(makeAlternatives());
    makeItems();
    layout->addWidget(m_table);
    layout->addWidget(m_formula);
    layout->addWidget(makeFrontier());
    connect(&draft, &RunDraft::changed, this, &PlanGroup::showDraft);
    showDraft();
}

QWidget* PlanGroup::makeDevice(ConfigForm& form)
{
    auto* box = new QWidget(this);
    m_device = named(new QComboBox(box), "configurePlanDevice", tr("Plan for"));
    m_device->setToolTip(tr("A device that need not be in this machine"));
    m_device->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_device->setMinimumContentsLength(12);
    m_device->addItem(tr("this machine"));
    for (const KnownDevice& known : knownDevices()) {
        m_device->addItem(toQString(known.product));
    }
    connect(m_device, &QComboBox::currentIndexChanged, this, &PlanGroup::chooseDevice);
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(new FieldRow(tr("Plan for"), m_device));
    layout->addWidget(form.integer("devices.ranks"));
    return box;
}

void PlanGroup::makeItems()
{
    m_table = named(new QTableView(this), "configurePlanItems", tr("Parts of the memory plan"));
    m_table->setModel(m_items);
    styleTable(*m_table);
    m_table->setIconSize({m_table->fontMetrics().ascent(), m_table->fontMetrics().ascent()});
    m_table->horizontalHeader()->hide();
    m_table->hideColumn(PlanItemsModel::Formula);
    m_table->horizontalHeader()->setSectionResizeMode(PlanItemsModel::Name, QHeaderView::Stretch);
    m_table->horizontalHeader()->setSectionResizeMode(PlanItemsModel::Bytes,
                                                      QHeaderView::ResizeToContents);
    m_formula = makeNote("configurePlanFormula", tr("Formula of the selected part"), this);
    m_formula->setMinimumHeight(m_formula->fontMetrics().height() * 2);
    m_formula->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            &PlanGroup::showFormula);
}

QWidget* PlanGroup::makeAlternatives()
{
    m_alternatives = named(new QWidget(this), "configureAlternatives", tr("What would fit"));
    auto* layout = new QVBoxLayout(m_alternatives);
    layout->setContentsMargins(0, 0, 0, 0);
    auto* title = new QLabel(tr("This does not fit. What comes nearest and fits:"), m_alternatives);
    title->setWordWrap(true);
    layout->addWidget(title);
    static constexpr std::array<const char*, kAlternatives> kNames{
        "configureAlternative0", "configureAlternative1", "configureAlternative2"};
    for (std::size_t i = 0; i < kAlternatives; ++i) {
        m_alternative[i] = named(new QPushButton(m_alternatives), kNames[i], tr("Take it"));
        connect(m_alternative[i], &QPushButton::clicked, this, [this, i] { takeAlternative(i); });
        layout->addWidget(m_alternative[i]);
    }
    return m_alternatives;
}

QWidget* PlanGroup::makeFrontier()
{
    m_frontierBox = new QWidget(this);
    m_frontierTitle = new QLabel(m_frontierBox);
    m_frontierTitle->setWordWrap(true);
    m_frontierTable = named(new QTableView(m_frontierBox), "configureFrontier",
                            tr("What fits, by context and number of devices"));
    m_frontierTable->setModel(m_frontier);
    m_frontierTable->setSelectionMode(QAbstractItemView::SingleSelection);
    m_frontierTable->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_frontierTable->setTabKeyNavigation(false);
    m_frontierTable->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_frontierTable->verticalHeader()->setDefaultAlignment(Qt::AlignRight | Qt::AlignVCenter);
    m_frontierTable->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    connect(m_frontierTable->horizontalHeader(), &QHeaderView::sectionResized, this,
            &PlanGroup::fitFrontier);
    m_frontierTable->setToolTip(tr("A click, or Enter, takes the cell into the form"));
    connect(m_frontierTable, &QTableView::clicked, this, &PlanGroup::takeCell);
    connect(m_frontierTable, &QTableView::activated, this, &PlanGroup::takeCell);
    auto* layout = new QVBoxLayout(m_frontierBox);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_frontierTitle);
    layout->addWidget(m_frontierTable);
    return m_frontierBox;
}

void PlanGroup::chooseDevice(int index)
{
    m_draft.planFor(index <= 0 ? std::optional<DeviceProfile>()
                               : profileOf(knownDevices()[static_cast<std::size_t>(index - 1)]));
}

void PlanGroup::takeAlternative(std::size_t index)
{
    if (index >= m_draft.alternatives().size()) {
        return;
    }
    const PlanAlternative alternative = m_draft.alternatives()[index];
    m_draft.setConfig(alternative.config);
    for (std::size_t i = 0; i < knownDevices().size(); ++i) {
        if (knownDevices()[i].name == alternative.device) {
            m_device->setCurrentIndex(static_cast<int>(i) + 1);
        }
    }
}

void PlanGroup::takeCell(const QModelIndex& cell)
{
    if (cell.isValid()) {
        m_draft.setConfig(configOf(m_draft.config(), m_frontier->frontier(),
                                   static_cast<std::size_t>(cell.row()),
                                   static_cast<std::size_t>(cell.column())));
    }
}

void PlanGroup::showDraft()
{
    showDevice();
    const bool hasPlan = m_draft.plan().has_value();
    m_bar->setPlan(hasPlan ? m_draft.plan()->items : std::vector<PlannedItem>(),
                   m_draft.plannedDevice().memoryBytes);
    m_items->setItems(hasPlan ? m_draft.plan()->items : std::vector<PlannedItem>());
    m_table->setVisible(hasPlan);
    m_formula->setVisible(hasPlan);
    fitHeight(*m_table);
    showFormula();
    showAlternatives();
    showFrontier();
}

void PlanGroup::showDevice()
{
    m_device->setItemText(0, tr("this machine: %1").arg(toQString(m_draft.device().name)));
    QStringList notes;
    if (m_draft.plan() && !m_draft.plan()->sharding.empty()) {
        notes << tr("Planned for %1.").arg(toQString(m_draft.plan()->sharding));
    }
    if (!m_draft.plannedDevice().source.empty()) {
        notes << tr("Figures: %1.").arg(toQString(m_draft.plannedDevice().source));
    }
    m_source->setText(notes.join(u'\n'));
    m_source->setVisible(!notes.isEmpty());
}

void PlanGroup::showAlternatives()
{
    const std::vector<PlanAlternative>& alternatives = m_draft.alternatives();
    m_alternatives->setVisible(!alternatives.empty());
    for (std::size_t i = 0; i < kAlternatives; ++i) {
        m_alternative[i]->setVisible(i < alternatives.size());
        if (i >= alternatives.size()) {
            continue;
        }
        QStringList parts;
        for (const std::string& setting : alternatives[i].settings) {
            parts << settingText(setting);
        }
        if (!alternatives[i].device.empty()) {
            parts.prepend(tr("Plan for %1").arg(toQString(alternatives[i].device)));
        }
        m_alternative[i]->setText(tr("%1 (%2)").arg(parts.join(QLatin1String(", ")),
                                                    bytesText(alternatives[i].peakBytes)));
        m_alternative[i]->setAccessibleName(tr("Take %1").arg(m_alternative[i]->text()));
        m_alternative[i]->setToolTip(toQString(describeAlternative(alternatives[i])));
    }
}

void PlanGroup::showFrontier()
{
    const bool hasPlan = m_draft.plan().has_value();
    m_frontierBox->setVisible(hasPlan);
    if (!hasPlan) {
        return;
    }
    m_frontier->setFrontier(
        planFrontier(*m_draft.model(), m_draft.config(), m_draft.plannedDevice()),
        m_draft.rowTokens(), m_draft.config().devices.ranks);
    m_frontierTitle->setText(
        tr("Tokens by number of devices; time per 1,000 steps; tight: above %1 of the memory")
            .arg(percentText(kRoomyShare)));
    fitFrontier();
}

void PlanGroup::fitFrontier()
{
    // In large text a cell has its verdict above its time.
    const QFontMetrics metrics = m_frontierTable->fontMetrics();
    const int margin = m_frontierTable->style()->pixelMetric(QStyle::PM_FocusFrameHMargin) + 1;
    QFont font = m_frontierTable->font();
    font.setBold(true); // the run's own cell is
    int lines = 1;
    for (int row = 0; row < m_frontier->rowCount({}); ++row) {
        for (int column = 0; column < m_frontier->columnCount({}); ++column) {
            const QString text = m_frontier->index(row, column).data().toString();
            const int width = QFontMetrics(font).horizontalAdvance(text);
            lines = width + 2 * margin > m_frontierTable->columnWidth(column) ? 2 : lines;
        }
    }
    m_frontierTable->verticalHeader()->setDefaultSectionSize(lines * metrics.height() + 8);
    fitHeight(*m_frontierTable);
}

void PlanGroup::showFormula()
{
    const QModelIndex current = m_table->currentIndex();
    m_formula->setText(current.isValid()
                           ? current.siblingAtColumn(PlanItemsModel::Formula).data().toString()
                           : tr("Select a part to see how it is computed."));
}

} // namespace longlora::ui
