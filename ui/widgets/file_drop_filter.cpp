// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/file_drop_filter.h"

#include <QDragEnterEvent>
#include <QLineEdit>
#include <QMimeData>
#include <QPlainTextEdit>

namespace longlora::ui {

FileDropFilter::FileDropFilter(QObject* parent)
    : QObject(parent)
{}

bool FileDropFilter::eventFilter(QObject* target, QEvent* event)
{
    if (event->type() != QEvent::DragEnter) {
        return false;
    }
    // Drops on an editor of several lines reach its viewport.
    const bool isText = qobject_cast<QLineEdit*>(target) != nullptr ||
                        qobject_cast<QPlainTextEdit*>(target->parent()) != nullptr;
    auto* drag = static_cast<QDragEnterEvent*>(event);
    if (!isText || !drag->mimeData()->hasUrls()) {
        return false;
    }
    drag->ignore();
    return true;
}

} // namespace longlora::ui
