// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/events/event_file.h"
#include "core/spec/run/run_directory.h"
#include "tests/support/fake_services.h"
#include "tests/support/temporary_folder.h"
#include "ui/run/live_run.h"
#include "ui/run/run_header.h"
#include "ui/run/run_viewer.h"

#include <QLabel>
#include <QSignalSpy>
#include <QTest>

using namespace longlora;

namespace {

Event happened(double time, EventBody body, int rank = 0)
{
    Event result;
    result.header.rank = rank;
    result.header.time = time;
    result.body = std::move(body);
    return result;
}

StepDone step(std::int64_t number, double loss)
{
    StepDone done;
    done.step = number;
    done.loss = loss;
    return done;
}

} // namespace

class RunModelTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void queueAndFileGiveEqualRecords()
    {
        const test::TemporaryFolder folder;
        test::FakeTraining training;
        ui::LiveRun live(training);
        live.start({}, folder.path() / "run");
        // In uneven batches, as a timer would find them.
        for (int batch = 1; training.isRunning(); ++batch) {
            training.advance(batch % 7 + 1);
            QTest::qWait(1);
        }
        QTRY_VERIFY(!live.isRunning());

        ui::RunViewer viewer;
        QSignalSpy opened(&viewer, &ui::RunViewer::opened);
        viewer.open(folder.path() / "run");
        QTRY_COMPARE(opened.count(), 1);
        QCOMPARE(live.model().record().steps.size(), std::size_t{50});
        QVERIFY(live.model().record().isFinished());
        QVERIFY(viewer.model().record() == live.model().record());
        QVERIFY(!viewer.isInterrupted());
    }

    void theGpuOfARunIsShownOnceItsDriverTellsOfItAndIsNoLineOfTheLog()
    {
        ui::RunHeader header;
        const auto* figure = header.findChild<QLabel*>(QStringLiteral("monitorGpu"));
        ui::RunRecord record;
        record.apply(happened(1e9, step(1, 3.0)));
        header.show(record, {}, {});
        QVERIFY(!figure->isVisibleTo(&header));

        const double gib = 1024.0 * 1024.0 * 1024.0;
        record.apply(
            happened(1e9, DeviceMeasured{140 * gib, 20 * gib, 30 * gib, 0.87, 64.0, std::nullopt}));
        header.show(record, {}, {});
        QVERIFY(figure->isVisibleTo(&header));
        QCOMPARE(figure->text(),
                 QStringLiteral("87 % busy · 64 °C · 20 GiB free · 30 GiB of other programs"));
        QVERIFY(record.log.empty());
    }

    void oneBatchIsOneChange()
    {
        ui::RunModel model;
        QSignalSpy changes(&model, &ui::RunModel::changed);
        std::vector<Event> events;
        for (const EventBody& body : test::scriptedRun(20)) {
            events.push_back(happened(1e9, body));
        }
        model.apply(events);
        QCOMPARE(changes.count(), 1);
        model.apply({});
        QCOMPARE(changes.count(), 1);
    }

    void timeLeftFollowsTheLatestPace()
    {
        RunStarted started;
        started.totalSteps = 100;
        ui::RunRecord record;
        record.apply(happened(100.0, started));
        for (std::int64_t number = 1; number <= 60; ++number) {
            // The first steps take ten seconds, the later ones two.
            const double time =
                100.0 + (number <= 30 ? 10.0 * double(number) : 300.0 + 2.0 * double(number - 30));
            record.apply(happened(time, step(number, 1.0)));
        }
        QCOMPARE(record.secondsLeft().value(), 80.0);
        record.apply(happened(500.0, RunFinished{}));
        QVERIFY(!record.secondsLeft().has_value());
    }

    void otherRanksDoNotMixIntoTheCurves()
    {
        ui::RunRecord record;
        record.apply(happened(1.0, step(1, 2.0)));
        record.apply(happened(1.0, step(1, 9.0), 1));
        QCOMPARE(record.steps.loss, std::vector<double>{2.0});
    }

    void aRunWhoseProcessDiedIsInterrupted()
    {
        const test::TemporaryFolder folder;
        {
            test::FakeTraining training;
            training.start({}, folder.path() / "run");
            training.advance(30);
        }
        ui::RunViewer viewer;
        QSignalSpy opened(&viewer, &ui::RunViewer::opened);
        viewer.open(folder.path() / "run");
        QTRY_COMPARE(opened.count(), 1);
        QVERIFY(viewer.isInterrupted());
        QVERIFY(viewer.model().record().steps.size() > 0);
    }

    void aFolderWithoutRunIsRefusedWithWords()
    {
        const test::TemporaryFolder folder;
        ui::RunViewer viewer;
        QSignalSpy failed(&viewer, &ui::RunViewer::failed);
        viewer.open(folder.path());
        QTRY_COMPARE(failed.count(), 1);
        QVERIFY(!failed.first().first().toString().isEmpty());
    }
};

QTEST_MAIN(RunModelTest)
#include "run_model_test.moc"
