// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/chat/chat_session.h"

#include <QScrollArea>

class QLabel;
class QVBoxLayout;

namespace longlora::ui {

/// One question with its answer: both selectable, the answer with its figures and a copy button.
class TurnView : public QFrame {
    Q_OBJECT

public:
    TurnView(int index, QWidget* parent = nullptr);
    void show(const ChatSession::Turn& turn);

private:
    QLabel* m_question;
    QLabel* m_answer;
    QLabel* m_figures;
};

/// The conversation. Follows its end while the user has not scrolled away from it.
class TranscriptView : public QScrollArea {
    Q_OBJECT

public:
    explicit TranscriptView(ChatSession& session, QWidget* parent = nullptr);

private:
    void rebuild();
    void updateLast();
    void followEnd();

    ChatSession& m_session;
    QVBoxLayout* m_layout;
    QLabel* m_empty;
    std::vector<TurnView*> m_turns;
    bool m_atEnd = true;
};

} // namespace longlora::ui
