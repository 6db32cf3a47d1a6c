// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/run_controls.h"

#include "ui/plots/plot_theme.h"
#include "ui/run/run_record.h"
#include "ui/widget_name.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>

#include <algorithm>

namespace longlora::ui {

namespace {

QString pendingText(ControlRequest request)
{
    switch (request) {
    case ControlRequest::Hold:
        return RunControls::tr("Holding at the next step");
    case ControlRequest::Resume:
        return RunControls::tr("Resuming");
    case ControlRequest::Checkpoint:
        return RunControls::tr("Writing a checkpoint at the next step");
    case ControlRequest::Stop:
        return RunControls::tr("Stopping at the next step");
    }
    return {};
}

} // namespace

RunControls::RunControls(QWidget* parent)
    : QWidget(parent)
{
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    m_hold = addButton("monitorHold", tr("H&old"), tr("Hold"), ControlRequest::Hold,
                       tr("Pauses at the next step; the model stays loaded"));
    m_resume = addButton("monitorResume", tr("&Resume"), tr("Resume"), ControlRequest::Resume,
                         tr("Goes on where it was held"));
    m_checkpoint =
        addButton("monitorCheckpoint", tr("&Checkpoint now"), tr("Checkpoint now"),
                  ControlRequest::Checkpoint, tr("Writes a checkpoint at the next step"));
    m_stop = addButton("monitorStop", tr("&Stop"), tr("Stop"), ControlRequest::Stop,
                       tr("Writes a checkpoint and the adapter at the next step, then ends"));
    m_pendingNote = named(new QLabel(this), "monitorPending", tr("Awaited"));
    setFaint(m_pendingNote);
    layout->addWidget(m_pendingNote);
}

QPushButton* RunControls::addButton(const char* objectName, const QString& label,
                                    const QString& name, ControlRequest request,
                                    const QString& toolTip)
{
    auto* button = named(new QPushButton(label, this), objectName, name);
    button->setToolTip(toolTip);
    connect(button, &QPushButton::clicked, this, [this, request] {
        m_pending = request;
        m_logSizeAtRequest = m_logSize;
        Q_EMIT requested(request);
    });
    layout()->addWidget(button);
    return button;
}

void RunControls::forget()
{
    m_pending.reset();
}

bool RunControls::isDone(const RunRecord& record) const
{
    if (record.isFinished()) {
        return true;
    }
    switch (*m_pending) {
    case ControlRequest::Hold:
        return record.state == RunState::Held;
    case ControlRequest::Resume:
        return record.state == RunState::Running;
    case ControlRequest::Checkpoint:
        return std::any_of(record.log.begin() + static_cast<std::ptrdiff_t>(m_logSizeAtRequest),
                           record.log.end(), [](const Event& event) {
                               return std::holds_alternative<CheckpointWritten>(event.body);
                           });
    case ControlRequest::Stop:
        return false;
    }
    return true;
}

void RunControls::show(const RunRecord& record, bool canControl)
{
    m_logSize = record.log.size();
    setVisible(canControl);
    if (m_pending && (m_logSizeAtRequest > m_logSize || isDone(record) || !canControl)) {
        m_pending.reset();
    }
    const bool free = canControl && !m_pending && !record.isFinished();
    const bool held = record.state == RunState::Held;
    m_hold->setVisible(canControl && !held);
    m_resume->setVisible(canControl && held);
    m_checkpoint->setVisible(canControl);
    m_stop->setVisible(canControl);
    m_hold->setEnabled(free);
    m_resume->setEnabled(free);
    m_checkpoint->setEnabled(free && !held);
    // Stop may follow any other wish.
    m_stop->setEnabled(canControl && m_pending != ControlRequest::Stop);
    m_pendingNote->setText(m_pending ? pendingText(*m_pending) : QString());
    m_pendingNote->setVisible(m_pending.has_value());
}

} // namespace longlora::ui
