// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/model_group.h"

#include "ui/config/config_form.h"
#include "ui/config/model_chooser.h"
#include "ui/config/run_draft.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/flow_grid.h"

#include <QFormLayout>
#include <QLabel>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

QString shapeText(const ModelConfig& config)
{
    const QString heads =
        config.kvHeadCount == config.headCount
            ? ModelGroup::tr("%1 heads").arg(countText(config.headCount))
            : ModelGroup::tr("%1 heads over %2 key-value heads")
                  .arg(countText(config.headCount), countText(config.kvHeadCount));
    const QString shape =
        ModelGroup::tr("%1 layers, width %2, %3")
            .arg(countText(config.layerCount), countText(config.hiddenSize), heads);
    return config.parallelResidual ? ModelGroup::tr("%1; attention and MLP side by side").arg(shape)
                                   : shape;
}

QString ropeText(const ModelConfig& config)
{
    const QString rope = ModelGroup::tr("%1: %2").arg(toQString(describeRope(config.rope)),
                                                      toQString(explainRope(config.rope)));
    return config.rotaryDim() < config.headDim
               ? ModelGroup::tr("%1; on %2 of the %3 numbers of a head")
                     .arg(rope, countText(config.rotaryDim()), countText(config.headDim))
               : rope;
}

QString contextText(const ModelConfig& config)
{
    const QString context = ModelGroup::tr("%1 tokens").arg(countText(config.contextLength()));
    return config.slidingWindow > 0
               ? ModelGroup::tr("%1, each sees %2").arg(context, countText(config.slidingWindow))
               : context;
}

QString weightsText(const ModelCard& card)
{
    const QString dtype = card.config->storedDtype.empty() ? ModelGroup::tr("type not stated")
                                                           : toQString(card.config->storedDtype);
    return ModelGroup::tr("%1, %2, %3, embeddings %4")
        .arg(toQString(describeWeights(card.weights)), bytesText(card.weights.bytes), dtype,
             card.config->tiedEmbeddings ? ModelGroup::tr("tied") : ModelGroup::tr("not tied"));
}

QString tokenizerText(const ModelCard& card)
{
    return card.tokenizer ? ModelGroup::tr("%1, %2 tokens")
                                .arg(toQString(card.tokenizerKind),
                                     countText(card.tokenizer->vocabularySize()))
           : card.tokenizerKind.empty() ? ModelGroup::tr("none")
                                        : ModelGroup::tr("cannot be read");
}

QString useText(const ModelCard& card)
{
    if (!card.isChat) {
        return ModelGroup::tr("base model: completes text");
    }
    return card.templateStyle.empty() ? ModelGroup::tr("chat model; its template cannot be used")
           : card.templateStyle == "its own"
               ? ModelGroup::tr("chat model with a template of its own")
               : ModelGroup::tr("chat model, template: %1").arg(toQString(card.templateStyle));
}

/// The card's lines: name and value.
QList<std::pair<QString, QString>> linesOf(const ModelCard& card)
{
    const ModelConfig& config = *card.config;
    const std::int64_t parameters = config.parameterCount();
    return {
        {ModelGroup::tr("Family"), ModelGroup::tr("%1 (%2)").arg(toQString(familyName(config)),
                                                                 toQString(config.architecture))},
        {ModelGroup::tr("Parameters"),
         ModelGroup::tr("%1 (%2)").arg(shortCountText(static_cast<double>(parameters)),
                                       countText(parameters))},
        {ModelGroup::tr("Shape"), shapeText(config)},
        {ModelGroup::tr("Context"), contextText(config)},
        {ModelGroup::tr("Rotary embedding"), ropeText(config)},
        {ModelGroup::tr("Weights"), weightsText(card)},
        {ModelGroup::tr("Tokenizer"), tokenizerText(card)},
        {ModelGroup::tr("Kind"), useText(card)},
    };
}

QString joinedLines(const std::vector<std::string>& lines)
{
    QStringList list;
    for (const std::string& line : lines) {
        list.append(toQString(line));
    }
    return list.join(u'\n');
}

void showText(QLabel* label, const QString& text)
{
    label->setText(text);
    label->setVisible(!text.isEmpty());
}

} // namespace

ModelGroup::ModelGroup(RunDraft& draft, ConfigForm& form, ModelShelf& shelf, QWidget* parent)
    : QGroupBox(tr("Model"), parent)
    , m_draft(draft)
    , m_folder(new ModelChooser(shelf, "configureModel", tr("Model folder")))
    , m_card(new QFormLayout)
    , m_status(named(new QLabel(this), "configureModelStatus", tr("State of the model")))
    , m_warnings(named(new QLabel(this), "configureModelNotes", tr("Notes on the model")))
{
    m_folder->setPlaceholder(tr("Hugging Face folder: config.json, tokenizer, safetensors"));
    connect(m_folder, &ModelChooser::pathChanged, this, [this](const QString& path) {
        m_draft.edit([&](RunConfig& config) { config.model = path.toStdString(); });
    });
    connect(m_folder, &ModelChooser::fileChosen, this, &ModelGroup::openRequested);
    FieldRow* model = form.custom("model", m_folder, [this](const RunConfig& config) {
        m_folder->setPath(toQString(config.model));
    });
    for (QLabel* label : {m_status, m_warnings}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    }
    setFaint(m_warnings);
    m_card->setContentsMargins(0, 2, 0, 4);
    m_card->setVerticalSpacing(2);

    auto* layout = new QVBoxLayout(this);
    layout->addWidget(model);
    layout->addWidget(m_status);
    layout->addLayout(m_card);
    layout->addWidget(m_warnings);
    layout->addWidget(form.text("run_name"));
    connect(&draft, &RunDraft::changed, this, &ModelGroup::showCard);
    showCard();
}

void ModelGroup::showCard()
{
    const std::optional<ModelCard>& card = m_draft.card();
    const bool isBroken = card && !card->problems.empty();
    const PlotTheme theme(palette());
    QPalette colours = palette();
    colours.setColor(QPalette::WindowText, isBroken ? theme.bad : theme.faintText);
    m_status->setPalette(colours);
    showText(m_status, card ? joinedLines(card->problems)
                       : m_draft.isReadingModel()
                           ? tr("Reading the folder")
                           : tr("Choose the model whose context shall grow."));
    showText(m_warnings, card ? joinedLines(card->warnings) : QString());
    showLines();
}

void ModelGroup::showLines()
{
    const std::optional<ModelCard>& card = m_draft.card();
    QList<std::pair<QString, QString>> lines;
    if (card && card->config) {
        lines = linesOf(*card);
    }
    if (lines == m_shown) {
        return;
    }
    m_shown = lines;
    while (m_card->rowCount() > 0) {
        m_card->removeRow(0);
    }
    for (const auto& [name, value] : lines) {
        auto* label = new QLabel(value, this);
        label->setObjectName(QStringLiteral("configureModelLine%1").arg(m_card->rowCount()));
        label->setAccessibleName(name);
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        auto* caption = new QLabel(name, this);
        caption->setFixedWidth(caption->fontMetrics().averageCharWidth() * 19);
        setFaint(caption);
        m_card->addRow(caption, label);
    }
}

} // namespace longlora::ui
