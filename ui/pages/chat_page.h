// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/chat/chat_session.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QSplitter;

namespace longlora::ui {

class ErrorBanner;
class PathEdit;
class QuestionPanel;

/// Asks a model about texts. Plain completion: the prompt is what the preview shows, no more.
class ChatPage : public QWidget {
    Q_OBJECT

public:
    /// `service` outlives this.
    explicit ChatPage(ChatService& service, QWidget* parent = nullptr);

    void loadModel(const QString& folder);
    ChatSession& session() { return m_session; }
    void setQuestion(const QString& question);
    /// What the user should know about this model; empty: nothing.
    void setNote(const QString& note);
    void setRecentModels(const QStringList& folders);
    QSplitter& splitter() { return *m_splitter; }

Q_SIGNALS:
    void modelLoaded(const QString& folder);

private:
    QWidget* makeSide();
    QWidget* makeConversation();
    void showState();
    void showRefusal();
    QString modelText() const;

    ChatSession m_session;
    PathEdit* m_folder;
    QPushButton* m_load;
    QLabel* m_model;
    QLabel* m_note;
    ErrorBanner* m_banner;
    QuestionPanel* m_question;
    QSplitter* m_splitter;
    QString m_announced; ///< folder of the model that modelLoaded() told of
};

} // namespace longlora::ui
