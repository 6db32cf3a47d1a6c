// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QLabel;
class QProgressBar;

namespace longlora::ui {

struct RunRecord;

/// One glance at a run: state, step, time left, tokens/s, peak memory against plan, the GPU.
class RunHeader : public QWidget {
    Q_OBJECT

public:
    explicit RunHeader(QWidget* parent = nullptr);

    /// `stateText`: what the run is doing, in the user's words.
    void show(const RunRecord& record, const QString& name, const QString& stateText);

private:
    /// A caption over a value.
    QLabel* addFigure(const char* objectName, const QString& caption);

    QLabel* m_name;
    QLabel* m_state;
    QLabel* m_setup;
    QProgressBar* m_progress;
    QLabel* m_step;
    QLabel* m_eta;
    QLabel* m_rate;
    QLabel* m_loss;
    QLabel* m_peak;
    QLabel* m_gpu;
};

} // namespace longlora::ui
