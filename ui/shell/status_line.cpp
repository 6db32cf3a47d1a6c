// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/status_line.h"

#include "core/spec/plan/memory_planner.h"
#include "ui/run/live_run.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"

#include <QFile>
#include <QLabel>
#include <QToolButton>

#include <unistd.h>

namespace longlora::ui {

namespace {

/// Resident memory of this program, in bytes; 0 where /proc does not tell.
double residentBytes()
{
    QFile file(QStringLiteral("/proc/self/statm"));
    if (!file.open(QIODevice::ReadOnly)) {
        return 0.0;
    }
    const QList<QByteArray> pages = file.readAll().split(' ');
    return pages.size() > 1 ? pages[1].toDouble() * static_cast<double>(sysconf(_SC_PAGESIZE))
                            : 0.0;
}

} // namespace

StatusLine::StatusLine(LiveRun& live, QWidget* parent)
    : QStatusBar(parent)
    , m_live(live)
    , m_memory(named(new QLabel(this), "statusMemory", tr("Memory in use")))
    , m_device(named(new QLabel(this), "statusDevice", tr("Device")))
    , m_run(named(new QToolButton(this), "statusRun", tr("Run under way")))
{
    const DeviceProfile processor = localCpuProfile();
    m_machineBytes = processor.memoryBytes;
    showDevice(processor);
    m_run->setAutoRaise(true);
    for (QLabel* label : {m_memory, m_device}) {
        label->setContentsMargins(10, 0, 6, 0);
    }
    m_run->setToolTip(tr("Shows the run"));
    addPermanentWidget(m_run);
    addPermanentWidget(m_memory);
    addPermanentWidget(m_device);

    connect(m_run, &QToolButton::clicked, this, &StatusLine::runClicked);
    connect(&m_live, &LiveRun::started, this, &StatusLine::showRun);
    connect(&m_live, &LiveRun::ended, this, &StatusLine::showRun);
    connect(&m_live.model(), &RunModel::changed, this, &StatusLine::showRun);
    m_timer.setInterval(std::chrono::seconds(2));
    connect(&m_timer, &QTimer::timeout, this, &StatusLine::showMemory);
    m_timer.start();
    showMemory();
    showRun();
}

void StatusLine::showDevice(const DeviceProfile& device)
{
    m_device->setText(toQString(device.name));
}

void StatusLine::showMemory()
{
    m_memory->setText(
        tr("Memory %1 of %2").arg(bytesText(residentBytes()), bytesText(m_machineBytes)));
}

void StatusLine::showRun()
{
    m_run->setVisible(m_live.isRunning());
    if (!m_live.isRunning()) {
        return;
    }
    const RunRecord& record = m_live.model().record();
    const std::optional<double> left = record.secondsLeft();
    QString text = runStateText(record.state);
    if (record.started) {
        text += tr(", step %1 of %2")
                    .arg(countText(record.currentStep()), countText(record.started->totalSteps));
    }
    if (left) {
        text += tr(", %1 left").arg(durationText(*left));
    }
    m_run->setText(text);
}

} // namespace longlora::ui
