// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>

class QListWidget;
class QPushButton;

namespace longlora::ui {

class ChatSession;
class TokenGauge;

/// The texts the model reads before each question, and how much of its context they take.
class DocumentPanel : public QGroupBox {
    Q_OBJECT

public:
    explicit DocumentPanel(ChatSession& session, QWidget* parent = nullptr);

private:
    void chooseFiles();
    void showDocuments();

    ChatSession& m_session;
    QListWidget* m_list;
    QPushButton* m_remove;
    TokenGauge* m_gauge;
};

} // namespace longlora::ui
