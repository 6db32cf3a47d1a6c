// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/data/dataset.h"
#include "ui/background_job.h"

#include <QAbstractTableModel>

#include <map>
#include <optional>

namespace longlora::ui {

class RunDraft;

/// The data files of the draft with what reading them gave: documents, tokens, problems. Files are
/// counted one after the other in the background with the draft's tokenizer.
class DataFilesModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { File, Use, Documents, Tokens, Status, kColumnCount };

    explicit DataFilesModel(RunDraft& draft, QObject* parent = nullptr);

    void addFiles(const QStringList& files, bool heldOut);
    void removeRows(QList<int> rows);

    /// Tokens of each training document counted so far.
    std::vector<std::int64_t> trainingLengths() const;
    bool isCounting() const { return m_job.isRunning(); }
    bool hasProblems() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

Q_SIGNALS:
    /// A file has been counted, or the list is another one.
    void countsChanged();

private:
    struct Row {
        std::string file;
        bool heldOut = false;
        bool operator==(const Row&) const = default;
    };
    using Summary = std::shared_ptr<const DataFileSummary>;

    void takeFiles();
    void recountAll();
    void countNext();
    const DataFileSummary* summaryOf(const Row& row) const;
    QString cell(const Row& row, int column) const;

    RunDraft& m_draft;
    std::vector<Row> m_rows;
    std::map<std::string, Summary> m_summaries;
    BackgroundJob m_job;
};

} // namespace longlora::ui
