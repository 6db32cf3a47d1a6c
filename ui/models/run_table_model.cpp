// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/run_table_model.h"

#include "ui/text_format.h"

#include <QVector>

namespace longlora::ui {

RunTableModel::RunTableModel(std::filesystem::path folder, QObject* parent)
    : QAbstractTableModel(parent)
    , m_folder(std::move(folder))
{}

void RunTableModel::refresh()
{
    m_job.run([folder = m_folder](const ProgressCallback&) { return listRuns(folder); },
              [this](std::vector<RunSummary> runs) {
                  beginResetModel();
                  m_runs = std::move(runs);
                  endResetModel();
                  Q_EMIT refreshed();
              });
}

int RunTableModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_runs.size());
}

int RunTableModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumnCount;
}

QVariant RunTableModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) {
        return {};
    }
    const RunSummary& summary = run(index.row());
    const bool isNumber =
        index.column() == Loss || (index.column() >= Context && index.column() <= Peak);
    switch (role) {
    case Qt::DisplayRole:
        return cell(summary, index.column());
    case Qt::ToolTipRole:
        return pathText(summary.folder);
    case Qt::UserRole:
        return index.column() == Curve ? QVariant::fromValue(QVector<double>(summary.losses.begin(),
                                                                             summary.losses.end()))
                                       : QVariant();
    case kSortRole:
        return sortKey(summary, index.column());
    case Qt::TextAlignmentRole:
        return isNumber ? QVariant::fromValue(Qt::AlignRight | Qt::AlignVCenter) : QVariant();
    case Qt::AccessibleTextRole:
        return index.column() == Curve ? tr("loss curve") : cell(summary, index.column());
    default:
        return {};
    }
}

QString RunTableModel::cell(const RunSummary& run, int column) const
{
    switch (column) {
    case Name:
        return toQString(run.name.empty() ? run.folder.filename().string() : run.name);
    case State:
        return run.state == RunState::Finished || run.interrupted
                   ? outcomeText(run.outcome, run.interrupted)
                   : runStateText(run.state);
    case Loss:
        return run.steps > 0 ? numberText(run.finalLoss) : QString();
    case Base:
        return pathText(std::filesystem::path(run.model).filename());
    case Context:
        return run.contextLength > 0 ? countText(run.contextLength) : QString();
    case Step:
        return run.totalSteps > 0
                   ? tr("%1 of %2").arg(countText(run.steps), countText(run.totalSteps))
                   : countText(run.steps);
    case Rate:
        return run.tokensPerSecond > 0.0 ? numberText(run.tokensPerSecond, 3) : QString();
    case Duration:
        return run.seconds > 0.0 ? durationText(run.seconds) : QString();
    case Peak:
        return run.peakBytes > 0.0 ? bytesText(run.peakBytes) : QString();
    case Started:
        return run.started > 0.0 ? timeText(run.started) : QString();
    default:
        return {};
    }
}

QVariant RunTableModel::sortKey(const RunSummary& run, int column) const
{
    switch (column) {
    case Loss:
        return run.finalLoss;
    case Context:
        return static_cast<qlonglong>(run.contextLength);
    case Step:
        return static_cast<qlonglong>(run.steps);
    case Rate:
        return run.tokensPerSecond;
    case Duration:
        return run.seconds;
    case Peak:
        return run.peakBytes;
    case Started:
    case Curve:
        return run.started;
    default:
        return cell(run, column);
    }
}

QVariant RunTableModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return QAbstractTableModel::headerData(section, orientation, role);
    }
    switch (section) {
    case Name:
        return tr("Run");
    case State:
        return tr("State");
    case Curve:
        return tr("Loss curve");
    case Loss:
        return tr("Loss");
    case Base:
        return tr("Base");
    case Context:
        return tr("Context");
    case Step:
        return tr("Steps");
    case Rate:
        return tr("Tokens/s");
    case Duration:
        return tr("Time");
    case Peak:
        return tr("Peak memory");
    case Started:
        return tr("Started");
    default:
        return {};
    }
}

} // namespace longlora::ui
