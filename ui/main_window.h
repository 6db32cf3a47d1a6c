// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/services.h"
#include "ui/background_job.h"
#include "ui/environment.h"
#include "ui/open_target.h"
#include "ui/run/live_run.h"
#include "ui/shell/rail.h"
#include "ui/tour/tour.h"

#include <QMainWindow>

class QActionGroup;
class QMenu;
class QStackedWidget;

namespace longlora::ui {

class ChatPage;
class ConfigurePage;
class ErrorBanner;
class HomePage;
class ImportPanel;
class MergePage;
class ModelShelf;
class MonitorPage;
class RunTableModel;
class RunsPage;
class StatusLine;
class TourPanel;

/// The workbench: six pages behind a rail, a status line, and the routes between them.
class MainWindow : public QMainWindow {
    Q_OBJECT

public:
    /// What `services` and `environment` refer to outlives the window.
    MainWindow(const Services& services, const Environment& environment, QWidget* parent = nullptr);
    ~MainWindow() override;

    void showPage(Page page);
    Page currentPage() const;
    /// Opens a model, adapter or run folder, a GGUF file, a text or a data file on the page it
    /// belongs to, once the disk has said what it is.
    void openPath(const std::filesystem::path& path);
    void beginTour();

protected:
    void closeEvent(QCloseEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void makePages(const Services& services);
    void connectPages();
    void connectTour();
    void makeMenus();
    void makePageMenu(QMenu& view);
    void makeThemeMenu(QMenu& view);
    void restoreState();
    void saveState() const;

    void startRun();
    void cloneRun(const std::filesystem::path& folder);
    void openRun(const std::filesystem::path& folder);
    void openMerge(const QString& base, const QString& adapter);
    void openChat(const QString& model);
    void openModel(const QString& folder);
    void openPaths(const std::vector<std::filesystem::path>& paths);
    void openTarget(const OpenTarget& target);
    void offerImport(const OpenTarget& target);
    void runEnded();
    void nextTourStep();
    void choosePath(bool isFolder);
    void showAbout();
    void showProblem(const QString& what, const std::exception& problem);
    void rememberModel(const QString& folder);

    std::filesystem::path m_demoFolder;
    std::filesystem::path m_runsFolder;
    QSettings& m_settings;
    std::vector<Preset> m_presets;
    DryRunService* m_dryRun;
    LiveRun m_live;
    Tour m_tour;
    bool m_closeWhenDone = false;

    ModelShelf* m_shelf;
    RunTableModel* m_runs;
    Rail* m_rail;
    QStackedWidget* m_stack;
    ErrorBanner* m_banner;
    ImportPanel* m_import;
    TourPanel* m_tourPanel;
    StatusLine* m_status;
    HomePage* m_home = nullptr;
    ConfigurePage* m_configure = nullptr;
    MonitorPage* m_monitor = nullptr;
    MergePage* m_merge = nullptr;
    ChatPage* m_chat = nullptr;
    RunsPage* m_runsPage = nullptr;
    BackgroundJob m_opening;
};

} // namespace longlora::ui
