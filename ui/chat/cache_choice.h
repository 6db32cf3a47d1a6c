// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/kv_format.h"

#include <QWidget>

class QComboBox;
class QLabel;

namespace longlora::ui {

class ChatSession;

/// How the model's memory of what it read is kept: each choice with what 1,000 tokens take, once a
/// model is loaded, and below them what the choice means.
class CacheChoice : public QWidget {
    Q_OBJECT

public:
    explicit CacheChoice(ChatSession& session, QWidget* parent = nullptr);

private:
    void showChoice();
    QString nameText(KvFormat format) const;
    QString meaningText() const;

    ChatSession& m_session;
    QComboBox* m_format;
    QLabel* m_meaning;
};

} // namespace longlora::ui
