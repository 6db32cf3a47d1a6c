// SPDX-License-Identifier: GPL-3.0-or-later
// The window stays fluent while a run says ten thousand things a second.
#include "tests/ui/window_fixture.h"

#include <QElapsedTimer>
#include <QLabel>

#include <thread>

using namespace longlora;
using test::WindowFixture;

namespace {

/// The longest time between two turns of the event loop.
class LagProbe : public QObject {
public:
    LagProbe()
    {
        m_clock.start();
        startTimer(0);
    }
    qint64 longestMilliseconds() const { return m_longest; }

protected:
    void timerEvent(QTimerEvent*) override { m_longest = std::max(m_longest, m_clock.restart()); }

private:
    QElapsedTimer m_clock;
    qint64 m_longest = 0;
};

} // namespace

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
        LagProbe probe;
        // Ten events a millisecond.
        std::jthread flood([&f] {
            while (f.fakes.training.isRunning()) {
                f.fakes.training.advance(10);
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
        QTRY_COMPARE_WITH_TIMEOUT(f.find<QLabel>("monitorState")->text(),
                                  QStringLiteral("Completed"), 60000);
        qInfo("longest turn of the event loop: %lld ms", probe.longestMilliseconds());
        QVERIFY2(probe.longestMilliseconds() < 100,
                 qPrintable(QString::number(probe.longestMilliseconds())));
    }
};

QTEST_MAIN(EventLoopLagTest)
#include "event_loop_lag_test.moc"
