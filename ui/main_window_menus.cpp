// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/main_window.h"
#include "ui/pages/configure_page.h"
#include "ui/theme/app_theme.h"

#include <QActionGroup>
#include <QCoreApplication>
#include <QMenuBar>
#include <QMessageBox>
#include <QSettings>

namespace longlora::ui {

void MainWindow::makeMenus()
{
    QMenu* file = menuBar()->addMenu(tr("&File"));
    file->addAction(tr("&Open a folder"), QKeySequence::Open, this, [this] { choosePath(true); });
    file->addAction(tr("Open a &file"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_O), this,
                    [this] { choosePath(false); });
    file->addSeparator();
    file->addAction(tr("&Quit"), QKeySequence::Quit, this, &QWidget::close);

    QMenu* edit = menuBar()->addMenu(tr("&Edit"));
    RunDraft& draft = m_configure->draft();
    QAction* undo =
        edit->addAction(tr("&Undo in Configure"), QKeySequence::Undo, &draft, &RunDraft::undo);
    QAction* redo =
        edit->addAction(tr("&Redo in Configure"), QKeySequence::Redo, &draft, &RunDraft::redo);
    const auto enable = [&draft, undo, redo] {
        undo->setEnabled(draft.canUndo());
        redo->setEnabled(draft.canRedo());
    };
    connect(&draft, &RunDraft::changed, this, enable);
    enable();

    QMenu* view = menuBar()->addMenu(tr("&View"));
    makePageMenu(*view);
    view->addSeparator();
    makeThemeMenu(*view);

    QMenu* help = menuBar()->addMenu(tr("&Help"));
    QAction* tour = help->addAction(tr("&Tour on the demo"), this, &MainWindow::beginTour);
    tour->setObjectName(QStringLiteral("helpTour"));
    tour->setEnabled(!m_demoFolder.empty());
    help->addAction(tr("&About"), this, &MainWindow::showAbout);
}

void MainWindow::makePageMenu(QMenu& view)
{
    for (int i = 0; i < kPageCount; ++i) {
        const auto page = static_cast<Page>(i);
        QAction* action = view.addAction(tr("&%1 %2").arg(i + 1).arg(pageTitle(page)), this,
                                         [this, page] { showPage(page); });
        action->setShortcut(QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_1 + i)));
    }
}

void MainWindow::makeThemeMenu(QMenu& view)
{
    QMenu* menu = view.addMenu(tr("&Appearance"));
    auto* group = new QActionGroup(menu);
    const Theme chosen = themeFromName(m_settings.value(QLatin1String("theme")).toString());
    applyTheme(chosen);
    const std::pair<Theme, QString> themes[] = {{Theme::System, tr("As the &desktop")},
                                                {Theme::Light, tr("&Light")},
                                                {Theme::Dark, tr("Dar&k")}};
    for (const auto& [theme, label] : themes) {
        QAction* action = menu->addAction(label);
        action->setObjectName(QLatin1String("theme.") + themeName(theme));
        action->setCheckable(true);
        action->setChecked(theme == chosen);
        group->addAction(action);
        connect(action, &QAction::triggered, this, [this, theme = theme] {
            m_settings.setValue(QLatin1String("theme"), themeName(theme));
            applyTheme(theme);
        });
    }
}

void MainWindow::showAbout()
{
    auto* box = new QMessageBox(
        QMessageBox::NoIcon, tr("About"),
        tr("LongLoRA Workbench %1\n\nExtends the context of language models with shifted sparse "
           "attention and low-rank updates (Chen et al. 2024, arXiv:2309.12307).\n\nFree software "
           "under the GNU General Public License, version 3 or later.")
            .arg(QCoreApplication::applicationVersion()),
        QMessageBox::Close, this);
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->open();
}

} // namespace longlora::ui
