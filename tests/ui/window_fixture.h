// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "tests/support/fake_services.h"
#include "tests/support/temporary_folder.h"
#include "ui/main_window.h"
#include "ui/text_format.h"

#include <QAbstractButton>
#include <QSettings>
#include <QTest>

namespace longlora::test {

/// The whole window on scripted services, a demo and an empty folder of runs; driven by name.
struct WindowFixture {
    TemporaryFolder folder;
    FakeServices fakes;
    FakeDryRun dryRun;
    QSettings settings;
    std::unique_ptr<ui::MainWindow> window;

    WindowFixture()
        : settings(ui::pathText(folder.path() / "settings.ini"), QSettings::IniFormat)
    {
        makeDemoFolder(demo(), LONGLORA_GOLDEN_DIR "/models/tiny-shakespeare");
        open();
    }

    std::filesystem::path demo() const { return folder.path() / "demo"; }
    static std::filesystem::path presets()
    {
        return LONGLORA_GOLDEN_DIR "/../../resources/presets";
    }
    std::filesystem::path runs() const { return folder.path() / "runs"; }

    void open()
    {
        window = std::make_unique<ui::MainWindow>(
            fakes.services(),
            ui::Environment{demo(), runs(), settings, readPresets(presets()), &dryRun});
        window->show();
        QVERIFY(QTest::qWaitForWindowExposed(window.get()));
    }

    template <class Widget = QWidget>
    Widget* find(const char* objectName) const
    {
        auto* widget = window->findChild<Widget*>(QLatin1String(objectName));
        if (widget == nullptr) {
            qFatal("no %s of the type asked for", objectName);
        }
        return widget;
    }

    /// A real click, which a hidden or disabled button does not take.
    void click(const char* objectName) const
    {
        auto* button = find<QAbstractButton>(objectName);
        QVERIFY2(button->isVisible(), objectName);
        QVERIFY2(button->isEnabled(), objectName);
        QTest::mouseClick(button, Qt::LeftButton);
    }
    bool canClick(const char* objectName) const
    {
        const auto* button = find<QAbstractButton>(objectName);
        return button->isVisible() && button->isEnabled();
    }

    /// The demo's run, started by its button.
    void startDemoRun() const
    {
        click("homeTryDemo");
        QTRY_VERIFY(canClick("configureStart"));
        click("configureStart");
    }
};

} // namespace longlora::test
