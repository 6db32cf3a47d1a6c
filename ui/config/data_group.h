// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>

class QLabel;
class QTableView;

namespace longlora::ui {

class ConfigForm;
class DataFilesModel;
class Histogram;
class RunDraft;

/// The files, what is in them, and how long their documents are.
/// `draft` and `form` outlive it.
class DataGroup : public QGroupBox {
    Q_OBJECT

public:
    DataGroup(RunDraft& draft, ConfigForm& form, QWidget* parent = nullptr);
    DataFilesModel& files() { return *m_files; }

protected:
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    QWidget* makeButtons();
    void chooseFiles(bool heldOut);
    void showCounts();

    RunDraft& m_draft;
    DataFilesModel* m_files;
    QTableView* m_table;
    QLabel* m_summary;
    Histogram* m_histogram;
};

} // namespace longlora::ui
