// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/presets.h"
#include "core/spec/plan/device_profile.h"

#include <QWidget>

#include <filesystem>
#include <vector>

class QLabel;
class QPushButton;
class QTableView;

namespace longlora::ui {

class RunTableModel;

/// Where one starts: the demo, a new run, the recent runs, what this machine has.
class HomePage : public QWidget {
    Q_OBJECT

public:
    /// `runs` outlives this.
    HomePage(RunTableModel& runs, bool hasDemo, const std::vector<Preset>& presets,
             QWidget* parent = nullptr);

    /// What a run computes on here.
    void showDevice(const DeviceProfile& device);

Q_SIGNALS:
    void demoRequested();
    void newRunRequested();
    void presetRequested(const longlora::RunConfig& config);
    void runRequested(const std::filesystem::path& folder);

private:
    QWidget* makeLeft(bool hasDemo, const std::vector<Preset>& presets);
    QWidget* makeStart(bool hasDemo, const std::vector<Preset>& presets);
    QPushButton* makePresets(const std::vector<Preset>& presets, QWidget* parent);
    QWidget* makeMachine();
    QWidget* makeRecent();
    void showRuns();

    RunTableModel& m_runs;
    QTableView* m_table;
    QLabel* m_empty;
    QLabel* m_device = nullptr;
    QLabel* m_memory = nullptr;
};

} // namespace longlora::ui
