// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/model_group.h"

#include "ui/config/config_form.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/flow_grid.h"
#include "ui/widgets/path_edit.h"

#include <QFormLayout>
#include <QLabel>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

/// The card's lines: name and value.
QList<std::pair<QString, QString>> linesOf(const ModelCard& card)
{
    const ModelConfig& config = *card.config;
    const QString heads =
        config.kvHeadCount == config.headCount
            ? ModelGroup::tr("%1 heads").arg(countText(config.headCount))
            : ModelGroup::tr("%1 heads over %2 key-value heads")
                  .arg(countText(config.headCount), countText(config.kvHeadCount));
    const QString dtype = config.storedDtype.empty() ? ModelGroup::tr("type not stated")
                                                     : toQString(config.storedDtype);
    return {
        {ModelGroup::tr("Family"), toQString(config.architecture)},
        {ModelGroup::tr("Parameters"),
         ModelGroup::tr("%1 (%2)").arg(shortCountText(static_cast<double>(config.parameterCount())),
                                       countText(config.parameterCount()))},
        {ModelGroup::tr("Shape"),
         ModelGroup::tr("%1 layers, width %2, %3")
             .arg(countText(config.layerCount), countText(config.hiddenSize), heads)},
        {ModelGroup::tr("Context"),
         ModelGroup::tr("%1 tokens").arg(countText(config.contextLength()))},
        {ModelGroup::tr("Rotary embedding"), toQString(describeRope(config.rope))},
        {ModelGroup::tr("Weights"),
         ModelGroup::tr("%1, %2, embeddings %3")
             .arg(bytesText(card.weightBytes), dtype,
                  config.tiedEmbeddings ? ModelGroup::tr("tied") : ModelGroup::tr("not tied"))},
        {ModelGroup::tr("Tokenizer"), toQString(card.tokenizerName)},
        {ModelGroup::tr("Kind"), card.hasChatTemplate
                                     ? ModelGroup::tr("chat model")
                                     : ModelGroup::tr("base model: completes text")},
    };
}

} // namespace

ModelGroup::ModelGroup(RunDraft& draft, ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Model"), parent)
    , m_draft(draft)
    , m_folder(new PathEdit(PathEdit::Kind::ExistingFolder, "configureModel", tr("Model folder")))
    , m_card(new QFormLayout)
    , m_status(named(new QLabel(this), "configureModelStatus", tr("State of the model")))
{
    m_folder->setPlaceholder(tr("Hugging Face folder: config.json, tokenizer, safetensors"));
    connect(m_folder, &PathEdit::pathChanged, this, [this](const QString& path) {
        m_draft.edit([&](RunConfig& config) { config.model = path.toStdString(); });
    });
    FieldRow* model = form.custom("model", m_folder, [this](const RunConfig& config) {
        m_folder->setPath(toQString(config.model));
    });
    m_status->setWordWrap(true);
    m_status->setTextFormat(Qt::PlainText);
    m_card->setContentsMargins(0, 2, 0, 4);
    m_card->setVerticalSpacing(2);

    auto* layout = new QVBoxLayout(this);
    layout->addWidget(model);
    layout->addWidget(m_status);
    layout->addLayout(m_card);
    layout->addWidget(form.text("run_name"));
    connect(&draft, &RunDraft::changed, this, &ModelGroup::showCard);
    showCard();
}

void ModelGroup::setSuggestions(const QStringList& folders)
{
    m_folder->setSuggestions(folders);
}

void ModelGroup::showCard()
{
    const std::optional<ModelCard>& card = m_draft.card();
    QString status;
    if (!card) {
        status = m_draft.isReadingModel() ? tr("Reading the folder")
                                          : tr("Choose the model whose context shall grow.");
    } else if (!card->problems.empty()) {
        QStringList lines;
        for (const std::string& problem : card->problems) {
            lines.append(toQString(problem));
        }
        status = lines.join(u'\n');
    }
    const PlotTheme theme(palette());
    QPalette colours = palette();
    colours.setColor(QPalette::WindowText,
                     card && !card->problems.empty() ? theme.bad : theme.faintText);
    m_status->setPalette(colours);
    m_status->setText(status);
    m_status->setVisible(!status.isEmpty());

    while (m_card->rowCount() > 0) {
        m_card->removeRow(0);
    }
    if (!card || !card->config) {
        return;
    }
    for (const auto& [name, value] : linesOf(*card)) {
        auto* label = new QLabel(value, this);
        label->setWordWrap(true);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        auto* caption = new QLabel(name, this);
        caption->setFixedWidth(caption->fontMetrics().averageCharWidth() * 19);
        setFaint(caption);
        m_card->addRow(caption, label);
    }
}

} // namespace longlora::ui
