// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QScrollArea>

namespace longlora::ui {

/// Scrolls down only: never narrower than its content and the bar beside it, also when the content
/// changes.
class ColumnScroll : public QScrollArea {
    Q_OBJECT

public:
    /// Takes `content` over.
    explicit ColumnScroll(QWidget* content, QWidget* parent = nullptr);

    QSize minimumSizeHint() const override;

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
};

} // namespace longlora::ui
