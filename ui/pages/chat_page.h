// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/chat/chat_session.h"

#include <QWidget>

class QLabel;
class QPlainTextEdit;
class QPushButton;
class QSplitter;

namespace longlora::ui {

class ErrorBanner;
class ModelChooser;
class ModelShelf;
class QuestionPanel;

/// Asks a model about texts. What it is given is what the prompt preview shows, no more: written
/// with the model's chat template, or as plain text for a base model.
class ChatPage : public QWidget {
    Q_OBJECT

public:
    /// `service` and `shelf` outlive this.
    ChatPage(ChatService& service, ModelShelf& shelf, QWidget* parent = nullptr);

    void loadModel(const QString& folder);
    ChatSession& session() { return m_session; }
    void setQuestion(const QString& question);
    /// What the user should know about this model; empty: nothing.
    void setNote(const QString& note);
    QSplitter& splitter() { return *m_splitter; }

Q_SIGNALS:
    void modelLoaded(const QString& folder);
    /// The user chose a file that is no model folder yet.
    void openRequested(const QString& file);

private:
    QWidget* makeSide();
    QWidget* makeSystem(QWidget* parent);
    QWidget* makeConversation();
    void showState();
    void showRefusal();
    QString modelText() const;
    static QString formatText(const ChatModelLoaded& model);

    ChatSession m_session;
    ModelChooser* m_folder;
    QPushButton* m_load;
    QLabel* m_model;
    QPlainTextEdit* m_system;
    QLabel* m_note;
    ErrorBanner* m_banner;
    QuestionPanel* m_question;
    QSplitter* m_splitter;
    QString m_announced; ///< folder of the model that modelLoaded() told of
};

} // namespace longlora::ui
