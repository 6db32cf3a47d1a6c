// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/attention/s2_pattern.h"

#include <QImage>
#include <QWidget>

#include <optional>

namespace longlora::ui {

/// Who sees whom: one square per half of the heads, rows are the reading tokens, columns the tokens
/// read, drawn from S2Pattern itself for the very length and group. Pairs in which a token sees a
/// later one (circular edge) are drawn in the warning colour.
class S2PatternView : public QWidget {
    Q_OBJECT

public:
    explicit S2PatternView(QWidget* parent = nullptr);

    /// No pattern: full causal attention over `length` tokens.
    void setPattern(std::int64_t length, const std::optional<S2Pattern>& pattern);

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;
    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    int squareSize(int width) const;
    /// Whether there is room for the words at the right of the squares.
    bool captionBeside(int width) const;
    QRect square(HeadHalf half) const;
    bool visible(HeadHalf half, std::int64_t query, std::int64_t key) const;
    const QImage& picture(HeadHalf half);
    QImage makePicture(HeadHalf half, int pixels) const;
    void paintSquare(QPainter& painter, HeadHalf half);
    QString describePair(HeadHalf half, std::int64_t query) const;
    QString caption() const;

    std::int64_t m_length = 0;
    std::optional<S2Pattern> m_pattern;
    QImage m_pictures[2];
};

} // namespace longlora::ui
