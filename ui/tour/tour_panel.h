// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>

class QLabel;
class QPushButton;

namespace longlora::ui {

class Tour;

/// One line above the page while the tour is on: where it stands, what one sees, and the button
/// that does the next thing (the same as the page's own).
class TourPanel : public QFrame {
    Q_OBJECT

public:
    /// `tour` outlives this.
    explicit TourPanel(Tour& tour, QWidget* parent = nullptr);

    /// Context of the demo's model and of the run, in tokens, for the texts.
    void setLengths(std::int64_t before, std::int64_t after);

Q_SIGNALS:
    void nextRequested();

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void showStage();

    Tour& m_tour;
    std::int64_t m_before = 0;
    std::int64_t m_after = 0;
    QLabel* m_title;
    QLabel* m_text;
    QPushButton* m_next;
    QPushButton* m_skip;
};

} // namespace longlora::ui
