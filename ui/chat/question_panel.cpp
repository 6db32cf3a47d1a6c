// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/question_panel.h"

#include "ui/chat/chat_session.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QScrollBar>
#include <QToolButton>

namespace longlora::ui {

void QuestionEdit::keyPressEvent(QKeyEvent* event)
{
    const bool isReturn = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (isReturn && !event->modifiers().testFlag(Qt::ShiftModifier)) {
        Q_EMIT submitted();
        return;
    }
    QPlainTextEdit::keyPressEvent(event);
}

QuestionPanel::QuestionPanel(ChatSession& session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_edit(named(new QuestionEdit(this), "chatInput", tr("Your question")))
    , m_prompt(named(new QPlainTextEdit(this), "chatPrompt", tr("Prompt as it will be sent")))
    , m_promptButton(named(new QToolButton(this), "chatShowPrompt", tr("Show the prompt")))
    , m_progress(named(new QProgressBar(this), "chatPrefill", tr("Progress of reading")))
    , m_status(named(new QLabel(this), "chatStatus", tr("What the model is doing")))
{
    m_edit->setPlaceholderText(tr("Return sends, Shift+Return breaks the line"));
    m_edit->setTabChangesFocus(true);
    m_edit->setFixedHeight(m_edit->fontMetrics().height() * 4);
    m_prompt->setReadOnly(true);
    m_prompt->setTabChangesFocus(true);
    m_prompt->setFixedHeight(m_prompt->fontMetrics().height() * 9);
    m_prompt->hide();
    m_promptButton->setText(tr("&Prompt"));
    m_promptButton->setCheckable(true);
    m_promptButton->setToolTip(tr("Shows exactly what the model will be given"));
    m_status->setWordWrap(true);
    setFaint(m_status);

    auto* status = new QHBoxLayout;
    status->addWidget(m_progress, 1);
    status->addWidget(m_status, 2);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(status);
    layout->addWidget(m_prompt);
    layout->addWidget(m_edit);
    layout->addWidget(makeButtons());

    connect(m_edit, &QPlainTextEdit::textChanged, this, [this] {
        m_session.setQuestion(m_edit->toPlainText());
        showState();
    });
    connect(m_edit, &QuestionEdit::submitted, m_send, &QPushButton::click);
    connect(m_promptButton, &QToolButton::toggled, this, [this](bool shown) {
        m_prompt->setVisible(shown);
        showPrompt();
    });
    connect(&session, &ChatSession::asked, m_edit, &QPlainTextEdit::clear);
    connect(&session, &ChatSession::stateChanged, this, &QuestionPanel::showState);
    connect(&session, &ChatSession::budgetChanged, this, &QuestionPanel::showPrompt);
    connect(&session, &ChatSession::prefillChanged, this, &QuestionPanel::showPrefill);
    showState();
}

QWidget* QuestionPanel::makeButtons()
{
    auto* box = new QWidget(this);
    m_send = named(new QPushButton(tr("&Send"), box), "chatSend", tr("Send"));
    m_stop = named(new QPushButton(tr("S&top"), box), "chatStop", tr("Stop the answer"));
    m_regenerate =
        named(new QPushButton(tr("Re&generate"), box), "chatRegenerate", tr("Answer again"));
    m_clear = named(new QPushButton(tr("&Clear history"), box), "chatClear", tr("Clear history"));
    m_regenerate->setToolTip(tr("Asks the last question again with the next seed"));
    connect(m_send, &QPushButton::clicked, &m_session, &ChatSession::ask);
    connect(m_stop, &QPushButton::clicked, &m_session, &ChatSession::stop);
    connect(m_regenerate, &QPushButton::clicked, &m_session, &ChatSession::regenerate);
    connect(m_clear, &QPushButton::clicked, &m_session, &ChatSession::clearHistory);
    auto* layout = new QHBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_promptButton);
    layout->addStretch();
    layout->addWidget(m_clear);
    layout->addWidget(m_regenerate);
    layout->addWidget(m_stop);
    layout->addWidget(m_send);
    return box;
}

void QuestionPanel::setQuestion(const QString& question)
{
    m_edit->setPlainText(question);
}

void QuestionPanel::showState()
{
    using State = ChatSession::State;
    m_send->setEnabled(m_session.canAsk());
    m_stop->setEnabled(m_session.isBusy());
    m_regenerate->setEnabled(m_session.canRegenerate());
    m_clear->setEnabled(m_session.canRegenerate());
    m_progress->setVisible(m_session.state() == State::Loading ||
                           m_session.state() == State::Prefilling);
    switch (m_session.state()) {
    case State::NoModel:
        m_status->setText(tr("Load a model to ask it."));
        break;
    case State::Loading:
        m_progress->setRange(0, 0);
        m_status->setText(tr("Loading the model"));
        break;
    case State::Ready:
        m_status->clear();
        break;
    case State::Checking:
        m_status->setText(tr("Counting tokens"));
        break;
    case State::Prefilling:
        showPrefill();
        break;
    case State::Answering:
        m_status->setText(tr("Answering"));
        break;
    }
    showPrompt();
}

void QuestionPanel::showPrefill()
{
    const ChatPrefill& prefill = m_session.prefill();
    m_progress->setRange(0, static_cast<int>(prefill.total));
    m_progress->setValue(static_cast<int>(prefill.done));
    if (prefill.total == 0) {
        m_status->setText(tr("Reading the prompt"));
        return;
    }
    QString text =
        tr("Read %1 of %2 tokens").arg(countText(prefill.done), countText(prefill.total));
    if (prefill.tokensPerSecond > 0.0) {
        const double left =
            static_cast<double>(prefill.total - prefill.done) / prefill.tokensPerSecond;
        text += tr(" at %1, %2 left").arg(rateText(prefill.tokensPerSecond), durationText(left));
    }
    m_status->setText(text);
}

void QuestionPanel::showPrompt()
{
    if (!m_promptButton->isChecked()) {
        return;
    }
    const QString prompt = toQString(m_session.preview());
    if (m_prompt->toPlainText() != prompt) {
        m_prompt->setPlainText(prompt);
        // The end is where the question stands.
        m_prompt->verticalScrollBar()->setValue(m_prompt->verticalScrollBar()->maximum());
    }
}

} // namespace longlora::ui
