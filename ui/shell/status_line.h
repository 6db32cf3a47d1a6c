// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/plan/device_profile.h"

#include <QStatusBar>
#include <QTimer>

class QLabel;
class QToolButton;

namespace longlora::ui {

class LiveRun;

/// Device, memory in use, and the run under way with its time left; a click on it shows it.
class StatusLine : public QStatusBar {
    Q_OBJECT

public:
    /// `live` outlives this.
    explicit StatusLine(LiveRun& live, QWidget* parent = nullptr);

    /// What a run computes on here.
    void showDevice(const DeviceProfile& device);

Q_SIGNALS:
    void runClicked();

private:
    void showMemory();
    void showRun();

    LiveRun& m_live;
    QLabel* m_memory;
    QLabel* m_device;
    QToolButton* m_run;
    QTimer m_timer;
    double m_machineBytes;
};

} // namespace longlora::ui
