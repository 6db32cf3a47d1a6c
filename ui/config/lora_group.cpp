// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/lora_group.h"

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

const std::vector<std::string> kAttentionTargets = {"q_proj", "k_proj", "v_proj", "o_proj"};
const std::vector<std::string> kAllTargets = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                              "gate_proj", "up_proj", "down_proj"};
QString costText(std::int64_t count, double bytes)
{
    return LoraGroup::tr("%1 parameters, %2 with gradients and moments")
        .arg(countText(count), bytesText(bytes));
}

} // namespace

LoraGroup::LoraGroup(RunDraft& draft, ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Trained weights"), parent)
    , m_draft(draft)
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
    showDraft();
}

QWidget* LoraGroup::makeTargets()
{
    auto* box = new QWidget(this);
    // As wide as the widest name, so that with large text the names wrap.
    const int nameWidth = box->fontMetrics().horizontalAdvance(toQString("down_proj")) * 3 / 2;
    auto* attention = new FlowGrid(nameWidth);
    auto* others = new FlowGrid(nameWidth);
    for (const std::string& target : kAllTargets) {
        const QString name = toQString(target);
        auto* check = new QCheckBox(name, box);
        check->setObjectName(QLatin1String("lora.targets.") + name);
        check->setAccessibleName(tr("LoRA on %1").arg(name));
        const bool isAttention = std::find(kAttentionTargets.begin(), kAttentionTargets.end(),
                                           target) != kAttentionTargets.end();
        (isAttention ? attention : others)->addWidget(check);
        connect(check, &QCheckBox::toggled, this, [this] {
            std::vector<std::string> chosen;
            for (const QCheckBox* each : std::as_const(m_targets)) {
                if (each->isChecked()) {
                    chosen.push_back(each->text().toStdString());
                }
            }
            setTargets(chosen);
        });
        m_targets.append(check);
    }
    auto* paper = named(new QPushButton(tr("LongLoRA (q, k, v, o)"), box), "loraPresetLongLora",
                        tr("Preset LongLoRA: query, key, value, output"));
    auto* all = named(new QPushButton(tr("All linear"), box), "loraPresetAllLinear",
                      tr("Preset all linear layers"));
    connect(paper, &QPushButton::clicked, this, [this] { setTargets(kAttentionTargets); });
    connect(all, &QPushButton::clicked, this, [this] { setTargets(kAllTargets); });
    auto* presets = new FlowGrid(paper->sizeHint().width());
    presets->addWidget(paper);
    presets->addWidget(all);
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(attention);
    layout->addLayout(others);
    layout->addLayout(presets);
    return box;
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
    const std::vector<std::string>& chosen = m_draft.config().lora.targets;
    for (QCheckBox* check : std::as_const(m_targets)) {
        const QSignalBlocker blocker(check);
        check->setChecked(std::find(chosen.begin(), chosen.end(), check->text().toStdString()) !=
                          chosen.end());
    }
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
