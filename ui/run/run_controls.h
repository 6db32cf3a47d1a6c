// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/run_control.h"

#include <QWidget>

#include <optional>

class QLabel;
class QPushButton;

namespace longlora::ui {

struct RunRecord;

/// Hold, Resume, Checkpoint now, Stop. Each acts at the next step boundary; until the run says so,
/// the buttons rest and a line tells what is awaited.
class RunControls : public QWidget {
    Q_OBJECT

public:
    explicit RunControls(QWidget* parent = nullptr);

    /// `canControl`: the run goes on and takes requests.
    void show(const RunRecord& record, bool canControl);
    /// Another run is shown: nothing is awaited of it.
    void forget();

Q_SIGNALS:
    void requested(longlora::ControlRequest request);

private:
    QPushButton* addButton(const char* objectName, const QString& label, const QString& name,
                           ControlRequest request, const QString& toolTip);
    bool isDone(const RunRecord& record) const;

    QPushButton* m_hold;
    QPushButton* m_resume;
    QPushButton* m_checkpoint;
    QPushButton* m_stop;
    QLabel* m_pendingNote;
    std::optional<ControlRequest> m_pending;
    std::size_t m_logSizeAtRequest = 0;
    std::size_t m_logSize = 0;
};

} // namespace longlora::ui
