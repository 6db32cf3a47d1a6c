// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>

#include <functional>

class QHBoxLayout;
class QLabel;
class QPlainTextEdit;
class QToolButton;

namespace longlora::ui {

/// Says on the page it belongs to what failed, why and what to do; the details can be opened and
/// copied. Never modal. Hidden until something is shown.
class ErrorBanner : public QFrame {
    Q_OBJECT

public:
    /// Its parts are called `objectName` + "Copy", "Details", "Dismiss".
    ErrorBanner(const char* objectName, QWidget* parent = nullptr);

    struct Content {
        QString what;
        QString why;
        QString remedy;
        QString details; ///< more than a glance needs; empty: no [Details]
    };
    /// Replaces what was shown, actions included.
    void show(const Content& content);
    /// A button that solves the problem. `label` may carry a mnemonic.
    void addAction(const char* objectName, const QString& label, std::function<void()> action);
    void clear();
    QString text() const;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QToolButton* makeButton(const char* suffix, const QString& label);

    QLabel* m_what;
    QLabel* m_why;
    QLabel* m_remedy;
    QPlainTextEdit* m_details;
    QToolButton* m_detailsButton;
    QHBoxLayout* m_actions;
    QList<QWidget*> m_actionButtons;
};

} // namespace longlora::ui
