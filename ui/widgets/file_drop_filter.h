// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>

namespace longlora::ui {

/// A text field would take a dropped file for text, its address. With this on the application,
/// files fall through to what is around the field: a path field, a page, the window.
class FileDropFilter : public QObject {
    Q_OBJECT

public:
    explicit FileDropFilter(QObject* parent = nullptr);

    bool eventFilter(QObject* target, QEvent* event) override;
};

} // namespace longlora::ui
