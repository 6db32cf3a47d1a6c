// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/lora_group.h"

#include "core/spec/config/model_weights.h"
#include "ui/config/config_form.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/flow_grid.h"

#include <QCheckBox>
#include <QGridLayout>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include <algorithm>

namespace longlora::ui {

namespace {

bool holds(const std::vector<std::string>& names, const std::string& name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

QString joined(const std::vector<std::string>& names)
{
    QStringList list;
    for (const std::string& name : names) {
        list.append(toQString(name));
    }
    return list.join(QLatin1String(", "));
}

QString costText(std::int64_t count, double bytes)
{
    return LoraGroup::tr("%1 parameters, %2 with gradients and moments")
        .arg(countText(count), bytesText(bytes));
}

} // namespace

LoraGroup::LoraGroup(RunDraft& draft, ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Trained weights"), parent)
    , m_draft(draft)
    , m_dropped(named(new QLabel(this), "loraDroppedTargets", tr("Targets the model has not")))
    , m_embeddings(named(new QLabel(this), "configureEmbeddingCount", tr("Cost of embeddings")))
    , m_norms(named(new QLabel(this), "configureNormCount", tr("Cost of norms")))
{
    FlowGrid* grid = makeFieldGrid(*this);
    grid->addWidget(
        form.choice<TrainingMethod>("method", {{TrainingMethod::Lora, tr("LoRA")},
                                               {TrainingMethod::Full, tr("every weight")}}));
    m_loraRows = {form.integer("lora.rank"), form.real("lora.alpha"), form.real("lora.dropout"),
                  form.real("lora.b_learning_rate_ratio")};
    for (QWidget* row : std::as_const(m_loraRows)) {
        grid->addWidget(row);
    }

    setFaint(m_embeddings);
    setFaint(m_norms);
    auto* costs = new QGridLayout;
    FieldRow* embeddings = form.check("lora.train_embeddings");
    FieldRow* norms = form.check("lora.train_norms");
    costs->addWidget(embeddings, 0, 0);
    costs->addWidget(m_embeddings, 0, 1);
    costs->addWidget(norms, 1, 0);
    costs->addWidget(m_norms, 1, 1);
    costs->setColumnStretch(1, 1);
    m_embeddings->setWordWrap(true);
    m_norms->setWordWrap(true);

    auto* layout = new QVBoxLayout(this);
    layout->addLayout(grid);
    QWidget* targets = form.custom("lora.targets", makeTargets(), [](const RunConfig&) {});
    layout->addWidget(targets);
    m_loraRows.append({targets, embeddings, norms, m_embeddings, m_norms});
    layout->addLayout(costs);
    connect(&draft, &RunDraft::changed, this, &LoraGroup::showDraft);
    offerTargets(ModelConfig());
    showDraft();
}

QWidget* LoraGroup::makeTargets()
{
    auto* box = new QWidget(this);
    int nameWidth = 0;
    for (const std::string& target : knownLoraTargets()) {
        const QString name = toQString(target);
        auto* check = named(new QCheckBox(name, box), "", tr("LoRA on %1").arg(name));
        check->setObjectName(QLatin1String("lora.targets.") + name);
        connect(check, &QCheckBox::toggled, this, &LoraGroup::takeChecked);
        m_targets.append(check);
        nameWidth = std::max(nameWidth, check->sizeHint().width());
    }
    // As wide as the widest name, so that with large text the names wrap.
    auto* grid = new FlowGrid(nameWidth);
    for (QCheckBox* check : std::as_const(m_targets)) {
        grid->addWidget(check);
    }
    setFaint(m_dropped);
    m_dropped->setWordWrap(true);
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(grid);
    layout->addLayout(makePresets(box));
    layout->addWidget(m_dropped);
    return box;
}

QLayout* LoraGroup::makePresets(QWidget* parent)
{
    m_longLora = named(new QPushButton(tr("LongLoRA (q, k, v, o)"), parent), "loraPresetLongLora",
                       tr("Preset LongLoRA: query, key, value, output"));
    m_allLinear = named(new QPushButton(tr("All linear"), parent), "loraPresetAllLinear",
                        tr("Preset all linear layers"));
    connect(m_longLora, &QPushButton::clicked, this, [this] { setTargets(m_attention); });
    connect(m_allLinear, &QPushButton::clicked, this, [this] { setTargets(m_all); });
    auto* layout = new FlowGrid(m_longLora->sizeHint().width());
    layout->addWidget(m_longLora);
    layout->addWidget(m_allLinear);
    return layout;
}

/// Shows the check boxes of these, and has the presets mean them.
void LoraGroup::offerTargets(const ModelConfig& model)
{
    m_attention = loraTargets(model, true);
    m_all = loraTargets(model);
    for (QCheckBox* check : std::as_const(m_targets)) {
        check->setVisible(holds(m_all, check->text().toStdString()));
    }
    m_longLora->setToolTip(joined(m_attention));
    m_allLinear->setToolTip(joined(m_all));
}

void LoraGroup::takeChecked()
{
    std::vector<std::string> chosen;
    for (const QCheckBox* each : std::as_const(m_targets)) {
        if (each->isChecked()) {
            chosen.push_back(each->text().toStdString());
        }
    }
    setTargets(chosen);
}

void LoraGroup::setTargets(const std::vector<std::string>& targets)
{
    m_draft.edit([&](RunConfig& config) { config.lora.targets = targets; });
}

void LoraGroup::showDraft()
{
    for (QWidget* row : std::as_const(m_loraRows)) {
        row->setVisible(m_draft.config().method == TrainingMethod::Lora);
    }
    showTargets();
    showCosts();
}

void LoraGroup::showTargets()
{
    const ModelConfig* model = m_draft.model();
    if (model != nullptr) {
        offerTargets(*model);
    }
    const std::vector<std::string>& chosen = m_draft.config().lora.targets;
    for (QCheckBox* check : std::as_const(m_targets)) {
        const QSignalBlocker blocker(check);
        check->setChecked(holds(chosen, check->text().toStdString()));
    }
    const std::vector<std::string>& dropped = m_draft.droppedTargets();
    const bool isTold = model != nullptr && !dropped.empty();
    m_dropped->setVisible(isTold);
    m_dropped->setText(
        isTold ? tr("%1 has no %2. LoRA is on %3 now.")
                     .arg(toQString(familyName(*model)), joined(dropped), joined(chosen))
               : QString());
}

void LoraGroup::showCosts()
{
    const ModelConfig* model = m_draft.model();
    if (model == nullptr) {
        m_embeddings->clear();
        m_norms->clear();
        return;
    }
    // What each costs or would cost, by the plan with and without it.
    RunConfig both = m_draft.config();
    both.lora.trainEmbeddings = both.lora.trainNorms = true;
    RunConfig noEmbeddings = both;
    noEmbeddings.lora.trainEmbeddings = false;
    RunConfig noNorms = both;
    noNorms.lora.trainNorms = false;
    const auto bytes = [&](const RunConfig& config) {
        return planMemory(*model, config, m_draft.device()).trainableBytes;
    };
    const TrainableCount count = countTrainable(*model, both);
    m_embeddings->setText(costText(count.embeddings, bytes(both) - bytes(noEmbeddings)));
    m_norms->setText(costText(count.norms, bytes(both) - bytes(noNorms)));
}

} // namespace longlora::ui
