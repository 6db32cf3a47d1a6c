// SPDX-License-Identifier: GPL-3.0-or-later
// The window stays fluent while a run says ten thousand things a second.
#include "tests/app/event_loop_probe.h"
#include "tests/ui/window_fixture.h"

#include <QLabel>

#include <thread>

using namespace longlora;
using test::WindowFixture;

class EventLoopLagTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void aFloodOfEventsLeavesTheWindowFluent()
    {
        constexpr int kEvents = 30000;
        WindowFixture f;
        f.fakes.training.script = test::scriptedRun(kEvents);
        f.startDemoRun();
        QTRY_VERIFY(f.find("monitorPlots")->isVisible());
        QTest::qWait(300); // the first layout and painting of the page are not what is measured
        test::EventLoopProbe probe;
        // Ten events a millisecond.
        std::jthread flood([&f] {
            while (f.fakes.training.isRunning()) {
                f.fakes.training.advance(10);
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
        QTRY_COMPARE_WITH_TIMEOUT(f.find<QLabel>("monitorState")->text(),
                                  QStringLiteral("Completed"), 60000);
        qInfo("longest time between two events of the window %.0f ms, of which it worked %.0f ms",
              1e3 * probe.longestWallSeconds(), 1e3 * probe.longestWorkSeconds());
        // The window's own work: how busy the machine is does not matter.
        QVERIFY(probe.longestWorkSeconds() < 0.1);
    }
};

QTEST_MAIN(EventLoopLagTest)
#include "event_loop_lag_test.moc"
