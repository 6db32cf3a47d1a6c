// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "ui/background_job.h"

#include <QSignalSpy>
#include <QTest>

#include <latch>

using namespace longlora;

class BackgroundJobTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void theResultArrivesInTheCallersThread()
    {
        ui::BackgroundJob job;
        QThread* worker = nullptr;
        QThread* receiver = nullptr;
        job.run(
            [&worker](const ProgressCallback&) {
                worker = QThread::currentThread();
                return 42;
            },
            [&receiver](int value) {
                QCOMPARE(value, 42);
                receiver = QThread::currentThread();
            });
        QVERIFY(job.isRunning());
        QTRY_VERIFY(!job.isRunning());
        QCOMPARE(receiver, QThread::currentThread());
        QVERIFY(worker != receiver);
    }

    void aStaleResultIsDropped()
    {
        ui::BackgroundJob job;
        std::latch started(1);
        std::latch release(1);
        QList<int> results;
        const auto take = [&results](int value) { results.append(value); };
        job.run(
            [&](const ProgressCallback&) {
                started.count_down();
                release.wait();
                return 1;
            },
            take);
        started.wait();
        job.run([](const ProgressCallback&) { return 2; }, take);
        release.count_down();
        QTRY_COMPARE(results, QList<int>{2});
        QVERIFY(!job.isRunning());
    }

    void cancelReachesTheWork()
    {
        ui::BackgroundJob job;
        QSignalSpy cancelled(&job, &ui::BackgroundJob::cancelled);
        std::atomic<bool> noticed = false;
        std::latch started(1);
        job.run(
            [&](const ProgressCallback& progress) -> int {
                started.count_down();
                while (progress({"going round", 0, 0, ""})) {
                    QThread::yieldCurrentThread();
                }
                noticed = true;
                throw Cancelled{};
            },
            [](int) { QFAIL("a cancelled job has no result"); });
        started.wait();
        job.cancel();
        QCOMPARE(cancelled.count(), 1);
        QTRY_VERIFY(noticed);
    }

    void errorsBecomeWords()
    {
        ui::BackgroundJob job;
        QSignalSpy failed(&job, &ui::BackgroundJob::failed);
        QSignalSpy finished(&job, &ui::BackgroundJob::finished);
        job.run(
            [](const ProgressCallback&) -> int { throw DataError("no such file", "look again"); },
            [](int) { QFAIL("a failed job has no result"); });
        QTRY_COMPARE(finished.count(), 1);
        QCOMPARE(failed.first().at(0).toString(), QStringLiteral("no such file"));
        QCOMPARE(failed.first().at(1).toString(), QStringLiteral("look again"));
    }

    void destructionWaitsForTheWork()
    {
        std::atomic<bool> left = false;
        std::latch started(1);
        {
            ui::BackgroundJob job;
            job.run(
                [&](const ProgressCallback& progress) -> int {
                    started.count_down();
                    while (progress({"going round", 0, 0, ""})) {
                        QThread::yieldCurrentThread();
                    }
                    left = true;
                    throw Cancelled{};
                },
                [](int) {});
            started.wait();
        }
        QVERIFY(left);
    }
};

QTEST_GUILESS_MAIN(BackgroundJobTest)
#include "background_job_test.moc"
