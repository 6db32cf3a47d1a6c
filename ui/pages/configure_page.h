// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"
#include "ui/config/run_draft.h"

#include <QWidget>

class QScrollArea;
class QSplitter;

namespace longlora::ui {

class ConfigForm;
class ConsequencesPanel;
class DataFilesModel;
class ModelGroup;

/// A run is put together here: the form on the left, its consequences always visible on the right.
class ConfigurePage : public QWidget {
    Q_OBJECT

public:
    /// `device` is measured once, in the background, and outlives the page.
    explicit ConfigurePage(DeviceService& device, QWidget* parent = nullptr);

    RunDraft& draft() { return m_draft; }
    QSplitter& splitter() { return *m_splitter; }
    void addTrainingFile(const QString& file);
    void setRecentModels(const QStringList& folders);
    /// Why no run can be started now; empty: one can.
    void setObstacle(const QString& obstacle);

Q_SIGNALS:
    void startRequested();
    /// Something worth a line in the status bar.
    void notice(const QString& text);

private:
    QWidget* makeForm();
    void copyCommand();

    RunDraft m_draft;
    BackgroundJob m_measuring;
    ConfigForm* m_form;
    ModelGroup* m_model = nullptr;
    DataFilesModel* m_files = nullptr;
    ConsequencesPanel* m_consequences;
    QSplitter* m_splitter;
};

} // namespace longlora::ui
