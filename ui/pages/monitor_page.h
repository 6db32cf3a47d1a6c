// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/run/run_viewer.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QSplitter;
class QStackedWidget;

namespace longlora::ui {

class ErrorBanner;
class EventLogModel;
class LiveRun;
class PlotTools;
class RunControls;
class RunHeader;
class RunPlots;

/// Watches a run: the one this program trains, or one seen through its folder; both look the same.
class MonitorPage : public QWidget {
    Q_OBJECT

public:
    /// `live` outlives this.
    explicit MonitorPage(LiveRun& live, QWidget* parent = nullptr);

    void showLive();
    /// The live run's own folder shows the live run.
    void openFolder(const std::filesystem::path& folder);
    QSplitter& splitter() { return *m_splitter; }

Q_SIGNALS:
    /// The finished run's base and its adapter.
    void mergeRequested(const QString& base, const QString& adapter);
    /// The model of a finished run that trained every weight: nothing to merge.
    void chatRequested(const QString& model);
    void notice(const QString& text);

private:
    QWidget* makeRunView();
    QWidget* makeLog();
    RunModel& model();
    const RunRecord& record();
    const std::filesystem::path& folder() const;
    QString stateText();
    bool canControl();
    RunConfig config();
    void showAnother();
    void showRun();
    void request(ControlRequest request);
    void requestMerge();
    void showEnd();

    LiveRun& m_live;
    RunViewer m_viewer;
    bool m_showsLive = true;
    bool m_endShown = false;
    QStackedWidget* m_stack;
    ErrorBanner* m_banner;
    RunHeader* m_header;
    RunControls* m_controls;
    RunPlots* m_plots;
    PlotTools* m_tools;
    EventLogModel* m_log;
    QPushButton* m_merge;
    QPushButton* m_chat;
    QSplitter* m_splitter;
};

} // namespace longlora::ui
