// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPlainTextEdit>

class QLabel;
class QProgressBar;
class QPushButton;
class QToolButton;

namespace longlora::ui {

class ChatSession;

/// A text field in which Return sends and Shift+Return breaks the line.
class QuestionEdit : public QPlainTextEdit {
    Q_OBJECT

public:
    using QPlainTextEdit::QPlainTextEdit;

Q_SIGNALS:
    void submitted();

protected:
    void keyPressEvent(QKeyEvent* event) override;
};

/// Where one asks: the question, its prompt as it will be sent, progress of reading, and the
/// buttons send, stop, regenerate, clear.
class QuestionPanel : public QWidget {
    Q_OBJECT

public:
    explicit QuestionPanel(ChatSession& session, QWidget* parent = nullptr);
    void setQuestion(const QString& question);

private:
    QWidget* makeButtons();
    void showState();
    void showPrompt();
    void showPrefill();

    ChatSession& m_session;
    QuestionEdit* m_edit;
    QPlainTextEdit* m_prompt;
    QToolButton* m_promptButton;
    QProgressBar* m_progress;
    QLabel* m_status;
    QPushButton* m_send;
    QPushButton* m_stop;
    QPushButton* m_regenerate;
    QPushButton* m_clear;
};

} // namespace longlora::ui
