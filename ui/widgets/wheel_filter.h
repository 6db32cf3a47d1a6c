// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>

namespace longlora::ui {

/// A wheel that scrolls a form would stop at the first number or list under the mouse, and change
/// it. With this on the application, only what has the focus by click or key takes the wheel.
class WheelFilter : public QObject {
    Q_OBJECT

public:
    explicit WheelFilter(QObject* parent = nullptr);

    bool eventFilter(QObject* target, QEvent* event) override;
};

} // namespace longlora::ui
