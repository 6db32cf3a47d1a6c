// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/wheel_filter.h"

#include <QAbstractSpinBox>
#include <QComboBox>
#include <QEvent>

namespace longlora::ui {

WheelFilter::WheelFilter(QObject* parent)
    : QObject(parent)
{}

bool WheelFilter::eventFilter(QObject* target, QEvent* event)
{
    if (event->type() != QEvent::Wheel && event->type() != QEvent::Polish) {
        return false;
    }
    auto* widget = qobject_cast<QWidget*>(target);
    const bool hasValue = qobject_cast<QAbstractSpinBox*>(target) != nullptr ||
                          qobject_cast<QComboBox*>(target) != nullptr;
    if (!hasValue) {
        return false;
    }
    if (event->type() == QEvent::Polish) {
        widget->setFocusPolicy(Qt::StrongFocus); // Qt gives these the focus by the wheel, too
        return false;
    }
    if (widget->hasFocus()) {
        return false;
    }
    event->ignore(); // goes on to what is around it
    return true;
}

} // namespace longlora::ui
