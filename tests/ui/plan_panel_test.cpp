// SPDX-License-Identifier: GPL-3.0-or-later
// The plan beside the form: other devices, what would fit, what fits elsewhere, presets.
#include "core/spec/plan/device_table.h"
#include "tests/ui/window_fixture.h"
#include "ui/config/run_draft.h"
#include "ui/models/frontier_model.h"
#include "ui/pages/configure_page.h"
#include "ui/widgets/error_banner.h"

#include <QAbstractItemModelTester>
#include <QAction>
#include <QComboBox>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <QTableView>

using namespace longlora;
using test::WindowFixture;

namespace {

ui::RunDraft& draftOf(const WindowFixture& f)
{
    return f.window->findChild<ui::ConfigurePage*>()->draft();
}

/// Chosen from Home's menu, its shape read.
void takePreset(const WindowFixture& f, const char* name)
{
    f.find<QAction>(name)->trigger();
    QTRY_VERIFY(draftOf(f).plan().has_value());
}

void planFor(const WindowFixture& f, const char* product)
{
    auto* devices = f.find<QComboBox>("configurePlanDevice");
    devices->setCurrentIndex(devices->findText(QLatin1String(product)));
    QVERIFY(devices->currentIndex() > 0);
}

ui::FrontierModel& frontierOf(const WindowFixture& f)
{
    return *qobject_cast<ui::FrontierModel*>(f.find<QTableView>("configureFrontier")->model());
}

} // namespace

class PlanPanelTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void aPresetIsPlannedWithoutAModel()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-paper-7b-100k");
        QCOMPARE(f.window->currentPage(), ui::Page::Configure);
        QCOMPARE(f.find<QSpinBox>("context.length")->value(), 100000);
        QCOMPARE(f.find<QSpinBox>("devices.ranks")->value(), 8);
        planFor(f, "NVIDIA A100 80GB SXM");
        QVERIFY(draftOf(f).plan()->fits);
        const QString source = f.find<QLabel>("configurePlanSource")->text();
        QVERIFY(source.contains(QLatin1String("data sheet")));
        QVERIFY(source.contains(QLatin1String("8 devices")));
        QVERIFY(f.find<QLabel>("configureStepTime")->text().contains(QLatin1String("HFU")));
        QVERIFY2(!f.find("configureStart")->isEnabled(), "there are no weights");
    }

    void whatDoesNotFitHasThreeButtonsThatDo()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-single-80gb-7b-100k");
        planFor(f, "NVIDIA A100 80GB SXM");
        QVERIFY(!f.find("configureAlternatives")->isVisible());
        QVERIFY(!f.find("configureHost")->isVisibleTo(f.window.get()));
        planFor(f, "NVIDIA RTX A6000 48GB");
        QVERIFY2(draftOf(f).plan()->fits, "its layers work in tiles");
        QVERIFY(!f.find("configureHost")->isVisibleTo(f.window.get()));
        f.find<QSpinBox>("context.length")->setValue(150000);
        QVERIFY2(draftOf(f).plan()->fits, "with the layers' inputs in the machine's memory");
        QVERIFY(f.find("configureHost")->isVisibleTo(f.window.get()));
        planFor(f, "NVIDIA GeForce RTX 4090 24GB");
        QVERIFY(!draftOf(f).plan()->fits);
        for (const char* name :
             {"configureAlternative0", "configureAlternative1", "configureAlternative2"}) {
            QVERIFY(f.find<QPushButton>(name)->isVisibleTo(f.window.get()));
            QVERIFY(!f.find<QPushButton>(name)->text().isEmpty());
        }
        f.find<QPushButton>("configureAlternative0")->click();
        QVERIFY(draftOf(f).plan()->fits);
        QVERIFY(draftOf(f).config().context.length < 150000);
        QVERIFY(!f.find("configureAlternatives")->isVisible());
        draftOf(f).undo();
        QCOMPARE(draftOf(f).config().context.length, 150000);
    }

    void anotherDeviceCanBeTheAlternative()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-single-24gb-7b-16k");
        DeviceProfile small = localCpuProfile();
        small.memoryBytes = 4.0 * 1024 * 1024 * 1024;
        draftOf(f).setDevices({small});
        QVERIFY(!draftOf(f).fitsHere());
        QVERIFY(f.find<QPushButton>("configureAlternative0")
                    ->text()
                    .contains(QLatin1String("RTX4090")));
        f.find<QPushButton>("configureAlternative0")->click();
        QCOMPARE(f.find<QComboBox>("configurePlanDevice")->currentText(),
                 QStringLiteral("NVIDIA GeForce RTX 4090 24GB"));
        QVERIFY(draftOf(f).plan()->fits);
        QVERIFY2(!draftOf(f).fitsHere(), "this machine is as small as before");
    }

    void aRunTooLargeForThisMachineCannotStart()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        DeviceProfile small = localCpuProfile();
        small.memoryBytes = 1024.0 * 1024;
        draftOf(f).setDevices({small});
        QVERIFY(!f.find("configureStart")->isEnabled());
        QVERIFY(f.find<QLabel>("configureStartNote")->text().contains(QLatin1String("memory")));
    }

    void theGpuOfThisMachineIsPlannedForWithWhatOthersTakeOfIt()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        DeviceProfile gpu;
        gpu.name = "NVIDIA H200";
        gpu.kind = DeviceKind::Cuda;
        gpu.memoryBytes = 1024.0 * 1024;
        gpu.takenBytes = 139.0 * 1024 * 1024 * 1024;
        gpu.source = "139 GiB are taken by other programs";
        draftOf(f).setDevices({gpu, localCpuProfile()});
        for (const char* name : {"configureDevice", "homeDevice", "statusDevice"}) {
            QCOMPARE(f.find<QLabel>(name)->text(), QStringLiteral("NVIDIA H200"));
        }
        QVERIFY(f.find<QLabel>("homeMemory")
                    ->text()
                    .contains(QLatin1String("139 GiB are taken by other programs")));
        QVERIFY(f.find<QLabel>("configurePlanSource")
                    ->text()
                    .contains(QLatin1String("139 GiB are taken by other programs")));
        QVERIFY(!f.find("configureStart")->isEnabled());

        draftOf(f).edit([](RunConfig& config) { config.devices.kind = DeviceKind::Cpu; });
        QVERIFY(f.find<QLabel>("configureDevice")->text().startsWith(QLatin1String("CPU")));
        QVERIFY(draftOf(f).fitsHere());
    }

    void aGpuThatIsNotHereIsRefusedWhereItIsChosen()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        auto* kind = f.find<QComboBox>("devices.kind");
        kind->setCurrentIndex(kind->findText(QStringLiteral("GPU")));
        QCOMPARE(draftOf(f).config().devices.kind, DeviceKind::Cuda);
        QVERIFY(!f.find("configureStart")->isEnabled());
        QCOMPARE(draftOf(f).errorCount(), 1);
        kind->setCurrentIndex(kind->findText(QStringLiteral("processor")));
        QVERIFY(f.canClick("configureStart"));
    }

    void theLargestContextIsOneClickAway()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-single-48gb-7b-64k");
        planFor(f, "NVIDIA L40S 48GB");
        const std::int64_t largest = draftOf(f).plan()->largestContext;
        f.find<QPushButton>("configureUseLargest")->click();
        QCOMPARE(draftOf(f).config().context.length, largest);
        QVERIFY(draftOf(f).plan()->fits);
        QVERIFY(!f.find("configureUseLargest")->isEnabled());
    }

    void aCellOfTheFrontierSetsTheForm()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-paper-7b-32k");
        planFor(f, "NVIDIA H100 80GB SXM");
        ui::FrontierModel& model = frontierOf(f);
        const QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::Fatal);
        const QModelIndex own = model.ownCell();
        QVERIFY(own.isValid());
        QCOMPARE(model.headerData(own.row(), Qt::Vertical, Qt::DisplayRole).toString(),
                 QStringLiteral("32,768"));
        QVERIFY(own.data().toString().startsWith(QLatin1String("fits ")));
        QVERIFY(own.data(Qt::FontRole).value<QFont>().bold());
        const QModelIndex other = model.index(own.row() + 1, 2);
        auto* table = f.find<QTableView>("configureFrontier");
        table->setCurrentIndex(other);
        table->setFocus();
        QTest::keyClick(table, Qt::Key_Return);
        QCOMPARE(draftOf(f).config().context.length, 65536);
        QCOMPARE(draftOf(f).config().devices.ranks, 4);
        QCOMPARE(draftOf(f).config().batch.accumulation, 16); // 64 rows a step as before
        QCOMPARE(model.ownCell(), model.index(other.row(), other.column()));
    }

    void wordsTellTheCellsApart()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-paper-70b-32k");
        planFor(f, "NVIDIA A100 80GB SXM");
        const ui::FrontierModel& model = frontierOf(f);
        QCOMPARE(model.index(0, 0).data().toString(), QStringLiteral("no"));
        QVERIFY(model.index(0, 0)
                    .data(Qt::AccessibleTextRole)
                    .toString()
                    .contains(QLatin1String("4,096 tokens")));
        QVERIFY(model.index(0, 3).data().toString().contains(QStringLiteral(u"\u00a0h")));
    }

    void devicesThatAreNotTrainedOnYetAreSaid()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-paper-7b-8k");
        auto* suggestion = f.find<QPushButton>("devices.ranks.suggestion");
        QVERIFY(suggestion->isVisibleTo(f.window.get()));
        suggestion->click();
        QCOMPARE(draftOf(f).config().devices.ranks, 1);
    }

    void aDryRunStandsBesideThePlan()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        auto* button = f.find<QPushButton>("configureDryRun");
        QVERIFY(button->isEnabled());
        button->click();
        auto* measured = f.find<QLabel>("configureDryRunMeasured0");
        QTRY_COMPARE(measured->text(), QStringLiteral("163 MiB (8.4 % less)"));
        QCOMPARE(f.find<QLabel>("configureDryRunPredicted0")->text(), QStringLiteral("178 MiB"));
        QCOMPARE(f.find<QLabel>("configureDryRunMeasured1")->text(),
                 QStringLiteral("2.2 s (10 % more)"));
        QTRY_VERIFY(f.canClick("configureStart"));
        f.find<QSpinBox>("lora.rank")->setValue(4);
        QVERIFY(f.find<QLabel>("configureDryRunStatus")
                    ->text()
                    .contains(QLatin1String("before the last changes")));
    }

    void aDryRunIsCancelledAndFailsWithWords()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        f.dryRun.stall = true;
        auto* button = f.find<QPushButton>("configureDryRun");
        button->click();
        QVERIFY2(!f.find("configureStart")->isEnabled(), "one at a time");
        button->click();
        QTRY_VERIFY(f.canClick("configureStart"));
        QVERIFY(!f.find("configureDryRunMeasured0")->isVisibleTo(f.window.get()));
        f.dryRun.stall = false;
        f.dryRun.fail = true;
        button->click();
        auto* problem = f.find<ui::ErrorBanner>("configureDryRunProblem");
        QTRY_VERIFY(problem->isVisibleTo(f.window.get()));
        QVERIFY(problem->text().contains(QLatin1String("12 GiB are not there")));
    }

    void aKeystrokeIsPlannedWithin50Milliseconds()
    {
        const WindowFixture f;
        takePreset(f, "homePreset-paper-70b-32k");
        planFor(f, "NVIDIA A100 40GB SXM"); // with alternatives
        auto* length = f.find<QSpinBox>("context.length");
        QElapsedTimer timer;
        qint64 best = 1000;
        for (int i = 0; i < 5; ++i) {
            timer.start();
            length->setValue(32768 + 256 * (i + 1));
            best = std::min(best, timer.elapsed());
        }
        qInfo("%lld ms", best);
        QVERIFY2(best < 50, "plan, alternatives, frontier and the form's other parts");
    }
};

QTEST_MAIN(PlanPanelTest)
#include "plan_panel_test.moc"
