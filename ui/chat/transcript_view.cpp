// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/transcript_view.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QLabel>
#include <QScrollBar>
#include <QToolButton>
#include <QVBoxLayout>

namespace longlora::ui {

namespace {

QLabel* makeText(QWidget* parent)
{
    auto* label = new QLabel(parent);
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    label->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    return label;
}

QString finishText(const std::string& reason)
{
    return reason == "length"      ? TurnView::tr("stopped at the length set")
           : reason == "cancelled" ? TurnView::tr("stopped by you")
                                   : TurnView::tr("ended by the model");
}

QString figuresText(const ChatAnswered& stats)
{
    const QString rate = rateText(stats.tokensPerSecond);
    return TurnView::tr("read %1 tokens in %2, wrote %3%4, %5")
        .arg(countText(stats.promptTokens), durationText(stats.prefillSeconds),
             countText(stats.newTokens),
             rate.isEmpty() ? QString() : TurnView::tr(" at %1").arg(rate),
             finishText(stats.finishReason));
}

} // namespace

TurnView::TurnView(int index, QWidget* parent)
    : QFrame(parent)
    , m_question(makeText(this))
    , m_answer(makeText(this))
    , m_figures(new QLabel(this))
{
    const QString number = QString::number(index);
    m_question->setObjectName(QLatin1String("chatQuestion") + number);
    m_question->setAccessibleName(tr("Question %1").arg(index + 1));
    m_answer->setObjectName(QLatin1String("chatAnswer") + number);
    m_answer->setAccessibleName(tr("Answer %1").arg(index + 1));
    m_question->setAutoFillBackground(true);
    m_question->setBackgroundRole(QPalette::AlternateBase);
    m_question->setContentsMargins(10, 6, 10, 6);
    m_answer->setContentsMargins(10, 2, 10, 2);
    m_figures->setContentsMargins(10, 0, 0, 0);
    m_figures->setWordWrap(true);
    setFaint(m_figures);

    auto* copy = new QToolButton(this);
    copy->setObjectName(QLatin1String("chatCopy") + number);
    copy->setAccessibleName(tr("Copy answer %1").arg(index + 1));
    copy->setText(tr("Copy"));
    copy->setAutoRaise(true);
    connect(copy, &QToolButton::clicked, this,
            [this] { QGuiApplication::clipboard()->setText(m_answer->text()); });

    auto* foot = new QHBoxLayout;
    foot->addWidget(m_figures, 1);
    foot->addWidget(copy);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 8);
    layout->setSpacing(4);
    layout->addWidget(m_question);
    layout->addWidget(m_answer);
    layout->addLayout(foot);
}

void TurnView::show(const ChatSession::Turn& turn)
{
    m_question->setText(toQString(turn.text.question));
    // The space that a completion begins with would only indent it.
    m_answer->setText(toQString(turn.text.answer).trimmed());
    m_figures->setText(turn.stats ? figuresText(*turn.stats) : QString());
}

TranscriptView::TranscriptView(ChatSession& session, QWidget* parent)
    : QScrollArea(parent)
    , m_session(session)
    , m_layout(new QVBoxLayout)
    , m_empty(new QLabel(tr("Ask below. What is attached on the left is read first."), this))
{
    named(this, "chatTranscript", tr("Conversation"));
    setWidgetResizable(true);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* content = new QWidget(this);
    content->setBackgroundRole(QPalette::Base);
    content->setAutoFillBackground(true);
    content->setLayout(m_layout);
    m_layout->setContentsMargins(12, 12, 12, 12);
    m_layout->setSpacing(10);
    m_empty->setAlignment(Qt::AlignCenter);
    setFaint(m_empty);
    m_layout->addWidget(m_empty, 1);
    m_layout->addStretch();
    setWidget(content);

    connect(&session, &ChatSession::turnsChanged, this, &TranscriptView::rebuild);
    connect(&session, &ChatSession::answerGrew, this, &TranscriptView::updateLast);
    connect(verticalScrollBar(), &QScrollBar::valueChanged, this,
            [this](int value) { m_atEnd = value >= verticalScrollBar()->maximum() - 4; });
    connect(verticalScrollBar(), &QScrollBar::rangeChanged, this, &TranscriptView::followEnd);
}

void TranscriptView::rebuild()
{
    const std::vector<ChatSession::Turn>& turns = m_session.turns();
    while (m_turns.size() > turns.size()) {
        delete m_turns.back();
        m_turns.pop_back();
    }
    while (m_turns.size() < turns.size()) {
        auto* view = new TurnView(static_cast<int>(m_turns.size()), widget());
        m_layout->insertWidget(m_layout->count() - 1, view);
        m_turns.push_back(view);
        m_atEnd = true;
    }
    for (std::size_t i = 0; i < turns.size(); ++i) {
        m_turns[i]->show(turns[i]);
    }
    m_empty->setVisible(turns.empty());
}

void TranscriptView::updateLast()
{
    if (!m_turns.empty()) {
        m_turns.back()->show(m_session.turns().back());
    }
}

void TranscriptView::followEnd()
{
    if (m_atEnd) {
        verticalScrollBar()->setValue(verticalScrollBar()->maximum());
    }
}

} // namespace longlora::ui
