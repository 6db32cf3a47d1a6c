// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/chat_page.h"

#include "ui/chat/cache_choice.h"
#include "ui/chat/document_panel.h"
#include "ui/chat/question_panel.h"
#include "ui/chat/sampling_panel.h"
#include "ui/chat/transcript_view.h"
#include "ui/config/model_chooser.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/column_scroll.h"
#include "ui/widgets/error_banner.h"

#include <QGroupBox>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSplitter>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

/// Below this a model can copy and continue, but hardly answer.
constexpr std::int64_t kSmallModel = 50'000'000;

} // namespace

ChatPage::ChatPage(ChatService& service, ModelShelf& shelf, QWidget* parent)
    : QWidget(parent)
    , m_session(service)
    , m_folder(new ModelChooser(shelf, "chatModel", tr("Model folder"), this))
    , m_load(named(new QPushButton(this), "chatLoad", tr("Load or unload the model")))
    , m_model(named(new QLabel(this), "chatModelInfo", tr("About the model")))
    , m_system(named(new QPlainTextEdit(this), "chatSystem", tr("System prompt")))
    , m_note(named(new QLabel(this), "chatNote", tr("What to expect")))
    , m_banner(new ErrorBanner("chatProblem", this))
    , m_question(new QuestionPanel(m_session, this))
    , m_splitter(named(new QSplitter(this), "chatSplitter", tr("Texts and conversation")))
{
    m_splitter->addWidget(
        named(new ColumnScroll(makeSide(), this), "chatSide", tr("Model, texts and sampling")));
    m_splitter->addWidget(makeConversation());
    m_splitter->setStretchFactor(1, 1);
    m_splitter->setChildrenCollapsible(false);
    m_splitter->setSizes({360, 800});
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(12, 10, 12, 10);
    layout->addWidget(m_splitter);

    connect(m_folder, &ModelChooser::pathChanged, this, &ChatPage::loadModel);
    connect(m_folder, &ModelChooser::fileChosen, this, &ChatPage::openRequested);
    connect(m_load, &QPushButton::clicked, this, [this] {
        m_session.state() == ChatSession::State::NoModel ? loadModel(m_folder->path())
                                                         : m_session.unload();
    });
    connect(&m_session, &ChatSession::stateChanged, this, &ChatPage::showState);
    connect(&m_session, &ChatSession::asked, m_banner, &ErrorBanner::clear);
    connect(&m_session, &ChatSession::refused, this, &ChatPage::showRefusal);
    connect(&m_session, &ChatSession::failed, this,
            [this](const QString& what, const QString& why, const QString& hint) {
                m_banner->show({what, why, hint, {}});
            });
    setNote({});
    showState();
}

QWidget* ChatPage::makeSide()
{
    m_folder->setPlaceholder(tr("Hugging Face folder"));
    m_model->setWordWrap(true);
    auto* side = new QWidget(this);
    auto* model = new QGroupBox(tr("Model"), side);
    auto* modelLayout = new QVBoxLayout(model);
    modelLayout->addWidget(m_folder);
    modelLayout->addWidget(m_model);
    modelLayout->addWidget(m_load, 0, Qt::AlignLeft);
    modelLayout->addWidget(new CacheChoice(m_session, model));
    auto* layout = new QVBoxLayout(side);
    layout->setContentsMargins(0, 0, 8, 0);
    layout->addWidget(model);
    layout->addWidget(makeSystem(side));
    layout->addWidget(new DocumentPanel(m_session, side));
    layout->addWidget(new SamplingPanel(m_session, side));
    layout->addStretch();
    return side;
}

QWidget* ChatPage::makeSystem(QWidget* parent)
{
    auto* box = new QGroupBox(tr("System prompt"), parent);
    box->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    m_system->setTabChangesFocus(true);
    m_system->setFixedHeight(m_system->fontMetrics().height() * 4);
    connect(m_system, &QPlainTextEdit::textChanged, this,
            [this] { m_session.setSystem(m_system->toPlainText()); });
    auto* layout = new QVBoxLayout(box);
    layout->addWidget(m_system);
    return box;
}

QWidget* ChatPage::makeConversation()
{
    m_note->setWordWrap(true);
    m_note->setTextFormat(Qt::PlainText);
    m_note->setContentsMargins(10, 6, 10, 6);
    m_note->setAutoFillBackground(true);
    m_note->setBackgroundRole(QPalette::AlternateBase);
    auto* box = new QWidget(this);
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(6, 0, 0, 0);
    layout->addWidget(m_banner);
    layout->addWidget(m_note);
    layout->addWidget(new TranscriptView(m_session, box), 1);
    layout->addWidget(m_question);
    return box;
}

void ChatPage::loadModel(const QString& folder)
{
    m_folder->setPath(folder);
    m_banner->clear();
    if (!folder.isEmpty()) {
        m_announced.clear();
        m_session.load(folder);
    }
}

void ChatPage::setQuestion(const QString& question)
{
    m_question->setQuestion(question);
}

void ChatPage::setNote(const QString& note)
{
    m_note->setText(note);
    m_note->setVisible(!note.isEmpty());
}

QString ChatPage::formatText(const ChatModelLoaded& model)
{
    if (!model.templateProblem.empty()) {
        return tr("Its chat template cannot be used, so it goes on with your text as it is: %1")
            .arg(toQString(model.templateProblem));
    }
    if (model.isBaseModel) {
        return tr("A base model: it goes on with your text, it does not answer instructions. "
                  "Write the beginning of the answer.");
    }
    return model.templateStyle == "its own"
               ? tr("A chat model: your question is written with the chat template that came "
                    "with it.")
               : tr("A chat model: your question is written with its chat template (%1).")
                     .arg(toQString(model.templateStyle));
}

QString ChatPage::modelText() const
{
    const std::optional<ChatModelLoaded>& model = m_session.model();
    if (!model) {
        return m_session.state() == ChatSession::State::Loading
                   ? tr("Loading")
                   : tr("Choose a folder: it is loaded at once.");
    }
    QString text = tr("%1 parameters, %2 tokens of context.")
                       .arg(shortCountText(static_cast<double>(model->parameters)),
                            countText(model->contextLength));
    text += u' ' + formatText(*model);
    if (model->parameters < kSmallModel) {
        text += u' ' + tr("So small a model can find and repeat what stands in the text, "
                          "not reason about it.");
    }
    return text;
}

void ChatPage::showState()
{
    const bool loaded = m_session.state() != ChatSession::State::NoModel;
    m_model->setText(modelText());
    m_load->setText(loaded ? tr("&Unload") : tr("&Load"));
    m_load->setEnabled(!m_session.isBusy() && !m_folder->path().isEmpty());
    m_folder->setEnabled(!m_session.isBusy());
    m_system->setEnabled(!m_session.model() || m_session.takesSystem());
    m_system->setPlaceholderText(m_system->isEnabled()
                                     ? tr("What the model shall be like; may stay empty")
                                     : tr("A base model takes none"));
    if (m_session.model() && m_announced != m_session.folder()) {
        m_announced = m_session.folder();
        Q_EMIT modelLoaded(m_announced);
    }
}

void ChatPage::showRefusal()
{
    const TokenBudget& budget = m_session.budget();
    m_banner->show(
        {tr("The prompt does not fit; nothing was sent"),
         tr("%1 tokens are wanted, the model reads %2: %3 too many. Nothing is cut "
            "silently; choose what gives way.")
             .arg(countText(budget.used()), countText(budget.context), countText(budget.excess())),
         {},
         {}});
    const std::int64_t room = budget.reserve - budget.excess();
    if (room > 0) {
        m_banner->addAction("chatShortenAnswer", tr("Answer in %1 tokens").arg(countText(room)),
                            [this, room] {
                                SamplingOptions options = m_session.sampling();
                                options.maxNewTokens = room;
                                m_session.setSampling(options);
                                m_banner->clear();
                            });
    }
    if (budget.history > 0) {
        m_banner->addAction("chatForgetHistory", tr("Forget the history"), [this] {
            m_session.clearHistory();
            m_banner->clear();
        });
    }
    if (budget.document > 0) {
        m_banner->addAction("chatDropDocument", tr("Remove the last text"), [this] {
            m_session.removeDocument(static_cast<int>(m_session.documents().size()) - 1);
            m_banner->clear();
        });
    }
}

} // namespace longlora::ui
