// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QMessageBox>

namespace longlora::ui {

/// Asks what becomes of the run when the window is closed during it. Does not block; deletes
/// itself. Its buttons are called closeKeepRunning, closeStop, closeCancel.
class CloseQuestion : public QMessageBox {
    Q_OBJECT

public:
    explicit CloseQuestion(QWidget* parent);

Q_SIGNALS:
    /// Train to the end, close then.
    void keepRunning();
    /// Stop at the next step, close then.
    void stopAndClose();
};

} // namespace longlora::ui
