// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/event_log_model.h"

#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"

#include <QDateTime>
#include <QGuiApplication>
#include <QLocale>
#include <QPalette>

#include <cmath>

namespace longlora::ui {

namespace {

/// What the log says of each kind of event: a word, and the whole.
struct LogLine {
    QString kind;
    QString text;
    bool isProblem = false;
};

struct Describe {
    LogLine operator()(const RunStarted& started) const
    {
        return {EventLogModel::tr("start"),
                EventLogModel::tr("%1 steps of %2 x %3 tokens on %4, %5, %6; %7 of %8 parameters "
                                  "are trained")
                    .arg(countText(started.totalSteps), countText(started.rowsPerStep),
                         countText(started.rowTokens), toQString(started.device),
                         toQString(started.precision), toQString(started.attention),
                         shortCountText(static_cast<double>(started.trainableParameters)),
                         shortCountText(static_cast<double>(started.parameters)))};
    }
    LogLine operator()(const StepDone&) const { return {}; }
    LogLine operator()(const DeviceMeasured&) const { return {}; }
    LogLine operator()(const HeldOutMeasured& held) const
    {
        return {EventLogModel::tr("held out"),
                EventLogModel::tr("step %1: loss %2 over %3 tokens in %4")
                    .arg(countText(held.step), numberText(held.loss), countText(held.tokens),
                         durationText(held.seconds))};
    }
    LogLine operator()(const StateChanged& change) const
    {
        const QString detail = toQString(change.detail);
        return {EventLogModel::tr("state"),
                detail.isEmpty() ? runStateText(change.state)
                                 : runStateText(change.state) + QLatin1String(": ") + detail};
    }
    LogLine operator()(const CheckpointWritten& written) const
    {
        return {EventLogModel::tr("checkpoint"),
                EventLogModel::tr("step %1: %2 in %3, %4")
                    .arg(countText(written.step), bytesText(written.bytes),
                         durationText(written.seconds), toQString(written.path))};
    }
    LogLine operator()(const Message& message) const
    {
        switch (message.level) {
        case MessageLevel::Info:
            return {EventLogModel::tr("info"), toQString(message.text)};
        case MessageLevel::Warning:
            return {EventLogModel::tr("warning"), toQString(message.text), true};
        case MessageLevel::Error:
            return {EventLogModel::tr("error"), toQString(message.text), true};
        }
        return {};
    }
    LogLine operator()(const RunFinished& end) const
    {
        if (end.outcome == RunOutcome::Failed) {
            return {EventLogModel::tr("failed"), toQString(end.message), true};
        }
        return {outcomeText(end.outcome, false).toLower(),
                EventLogModel::tr("%1 steps in %2, loss %3, peak %4")
                    .arg(countText(end.steps), durationText(end.seconds), numberText(end.finalLoss),
                         bytesText(end.peakBytes))};
    }
};

} // namespace

void EventLogModel::show(const RunRecord& record)
{
    if (record.log.size() < m_events.size() || record.firstTime != m_firstTime) {
        clear();
    }
    m_firstTime = record.firstTime;
    if (record.log.size() == m_events.size()) {
        return;
    }
    beginInsertRows({}, rowCount(), static_cast<int>(record.log.size()) - 1);
    m_events.insert(m_events.end(), record.log.begin() + std::ssize(m_events), record.log.end());
    endInsertRows();
}

void EventLogModel::clear()
{
    beginResetModel();
    m_events.clear();
    endResetModel();
}

int EventLogModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_events.size());
}

int EventLogModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumnCount;
}

QVariant EventLogModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) {
        return {};
    }
    const Event& event = m_events[static_cast<std::size_t>(index.row())];
    const auto line = [&event] { return std::visit(Describe{}, event.body); };
    if (role == Qt::ForegroundRole) {
        return line().isProblem ? QVariant(PlotTheme(QGuiApplication::palette()).bad) : QVariant();
    }
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole) {
        return {};
    }
    switch (index.column()) {
    case Time:
        return QDateTime::fromMSecsSinceEpoch(std::llround(1000.0 * event.header.time))
            .toString(QStringLiteral("HH:mm:ss"));
    case Kind:
        return line().kind;
    case Text:
        return line().text;
    default:
        return {};
    }
}

QVariant EventLogModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return QAbstractTableModel::headerData(section, orientation, role);
    }
    return section == Time ? tr("Time") : section == Kind ? tr("Event") : tr("What happened");
}

} // namespace longlora::ui
