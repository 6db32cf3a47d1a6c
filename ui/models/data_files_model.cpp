// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/data_files_model.h"

#include "ui/config/run_draft.h"
#include "ui/text_format.h"

#include <algorithm>

namespace longlora::ui {

DataFilesModel::DataFilesModel(RunDraft& draft, QObject* parent)
    : QAbstractTableModel(parent)
    , m_draft(draft)
{
    connect(&draft, &RunDraft::changed, this, &DataFilesModel::takeFiles);
    connect(&draft, &RunDraft::modelRead, this, &DataFilesModel::recountAll);
    takeFiles();
}

void DataFilesModel::addFiles(const QStringList& files, bool heldOut)
{
    m_draft.edit([&](RunConfig& config) {
        auto& list = heldOut ? config.data.validation : config.data.train;
        for (const QString& file : files) {
            const std::string path = file.toStdString();
            if (std::find(list.begin(), list.end(), path) == list.end()) {
                list.push_back(path);
            }
        }
    });
}

void DataFilesModel::removeRows(QList<int> rows)
{
    std::sort(rows.begin(), rows.end(), std::greater<>());
    m_draft.edit([&](RunConfig& config) {
        for (const int row : std::as_const(rows)) {
            const auto trainCount = static_cast<int>(config.data.train.size());
            if (row < trainCount) {
                config.data.train.erase(config.data.train.begin() + row);
            } else {
                config.data.validation.erase(config.data.validation.begin() + (row - trainCount));
            }
        }
    });
}

void DataFilesModel::takeFiles()
{
    std::vector<Row> rows;
    for (const std::string& file : m_draft.config().data.train) {
        rows.push_back({file, false});
    }
    for (const std::string& file : m_draft.config().data.validation) {
        rows.push_back({file, true});
    }
    if (rows == m_rows) {
        return;
    }
    beginResetModel();
    m_rows = std::move(rows);
    endResetModel();
    if (!m_job.isRunning()) {
        countNext();
    }
    Q_EMIT countsChanged();
}

void DataFilesModel::recountAll()
{
    m_job.cancel();
    m_summaries.clear();
    countNext();
    if (!m_rows.empty()) {
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumnCount - 1));
    }
    Q_EMIT countsChanged();
}

void DataFilesModel::countNext()
{
    const auto next = std::find_if(m_rows.begin(), m_rows.end(),
                                   [this](const Row& row) { return summaryOf(row) == nullptr; });
    const std::optional<ModelCard>& card = m_draft.card();
    if (next == m_rows.end() || !card || !card->config) {
        return;
    }
    const auto work = [file = next->file, format = m_draft.config().data.format,
                       tokenizer = card->tokenizer,
                       size = card->config->vocabularySize](const ProgressCallback& progress) {
        return std::make_shared<const DataFileSummary>(
            summarizeDataFile(file, format, tokenizer.get(), size, progress));
    };
    m_job.run(work, [this, file = next->file](Summary summary) {
        m_summaries[file] = std::move(summary);
        for (int row = 0; row < rowCount(); ++row) {
            if (m_rows[static_cast<std::size_t>(row)].file == file) {
                Q_EMIT dataChanged(index(row, 0), index(row, kColumnCount - 1));
            }
        }
        countNext();
        Q_EMIT countsChanged();
    });
}

const DataFileSummary* DataFilesModel::summaryOf(const Row& row) const
{
    const auto found = m_summaries.find(row.file);
    return found == m_summaries.end() ? nullptr : found->second.get();
}

std::vector<std::int64_t> DataFilesModel::trainingLengths() const
{
    std::vector<std::int64_t> lengths;
    for (const Row& row : m_rows) {
        const DataFileSummary* summary = summaryOf(row);
        if (summary != nullptr && !row.heldOut) {
            lengths.insert(lengths.end(), summary->documentLengths.begin(),
                           summary->documentLengths.end());
        }
    }
    return lengths;
}

bool DataFilesModel::hasProblems() const
{
    return std::any_of(m_rows.begin(), m_rows.end(), [this](const Row& row) {
        const DataFileSummary* summary = summaryOf(row);
        return summary != nullptr && !summary->problem.empty();
    });
}

int DataFilesModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int DataFilesModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumnCount;
}

QVariant DataFilesModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid()) {
        return {};
    }
    const Row& row = m_rows[static_cast<std::size_t>(index.row())];
    switch (role) {
    case Qt::DisplayRole:
        return cell(row, index.column());
    case Qt::ToolTipRole:
        return index.column() == File ? toQString(row.file) : cell(row, index.column());
    case Qt::TextAlignmentRole:
        if (index.column() == Documents || index.column() == Tokens) {
            return QVariant::fromValue(Qt::AlignRight | Qt::AlignVCenter);
        }
        return {};
    default:
        return {};
    }
}

QString DataFilesModel::cell(const Row& row, int column) const
{
    const DataFileSummary* summary = summaryOf(row);
    switch (column) {
    case File:
        return pathText(std::filesystem::path(row.file).filename());
    case Use:
        return row.heldOut ? tr("Held out") : tr("Training");
    case Documents:
        return summary != nullptr ? countText(summary->documents) : QString();
    case Tokens:
        return summary != nullptr ? countText(summary->tokens) : QString();
    case Status:
        if (summary == nullptr) {
            return m_draft.card() ? tr("counting") : tr("choose a model to count");
        }
        return summary->problem.empty() ? tr("ready") : toQString(summary->problem);
    default:
        return {};
    }
}

QVariant DataFilesModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return QAbstractTableModel::headerData(section, orientation, role);
    }
    switch (section) {
    case File:
        return tr("File");
    case Use:
        return tr("Use");
    case Documents:
        return tr("Documents");
    case Tokens:
        return tr("Tokens");
    case Status:
        return tr("Status");
    default:
        return {};
    }
}

} // namespace longlora::ui
