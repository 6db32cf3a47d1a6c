// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/dry_run.h"
#include "core/spec/run/services.h"
#include "ui/config/run_draft.h"

#include <QWidget>

class QScrollArea;
class QSplitter;

namespace longlora::ui {

class ConfigForm;
class ConsequencesPanel;
class DataFilesModel;
class ModelShelf;

/// A run is put together here: the form on the left, its consequences always visible on the right.
class ConfigurePage : public QWidget {
    Q_OBJECT

public:
    /// `device` is measured once, in the background; both outlive the page.
    /// `dryRun` may be null.
    ConfigurePage(DeviceService& device, DryRunService* dryRun, ModelShelf& shelf,
                  QWidget* parent = nullptr);

    RunDraft& draft() { return m_draft; }
    QSplitter& splitter() { return *m_splitter; }
    /// Takes the model into the configuration and its card into view.
    void showModel(const QString& folder);
    void addTrainingFile(const QString& file);
    /// Why no run can be started now; empty: one can.
    void setObstacle(const QString& obstacle);

Q_SIGNALS:
    void startRequested();
    /// The user chose a file that is no model folder yet.
    void openRequested(const QString& file);
    /// Something worth a line in the status bar.
    void notice(const QString& text);

private:
    QWidget* makeForm();
    void copyCommand();

    ModelShelf& m_shelf;
    RunDraft m_draft;
    BackgroundJob m_measuring;
    ConfigForm* m_form;
    DataFilesModel* m_files = nullptr;
    ConsequencesPanel* m_consequences;
    QScrollArea* m_scroll;
    QSplitter* m_splitter;
};

} // namespace longlora::ui
