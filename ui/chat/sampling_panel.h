// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>

class QSpinBox;

namespace longlora::ui {

class ChatSession;
class NumberEdit;

/// How the next token is chosen, and how many at most.
class SamplingPanel : public QGroupBox {
    Q_OBJECT

public:
    explicit SamplingPanel(ChatSession& session, QWidget* parent = nullptr);

private:
    void take();
    void showOptions();

    ChatSession& m_session;
    NumberEdit* m_temperature;
    NumberEdit* m_topP;
    QSpinBox* m_topK;
    QSpinBox* m_seed;
    QSpinBox* m_maxTokens;
};

} // namespace longlora::ui
