// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QButtonGroup;

namespace longlora::ui {

enum class Page { Home, Configure, Monitor, Merge, Chat, Runs };
inline constexpr int kPageCount = 6;

/// "Home", ...: as the rail, the menu and screen readers name the page.
QString pageTitle(Page page);

/// The pages, one above the other, at the left edge of the window.
class Rail : public QWidget {
    Q_OBJECT

public:
    explicit Rail(QWidget* parent = nullptr);
    /// Does not emit chosen().
    void setCurrent(Page page);

Q_SIGNALS:
    void chosen(longlora::ui::Page page);

protected:
    void changeEvent(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    void drawIcons();

    QButtonGroup* m_buttons;
};

} // namespace longlora::ui
