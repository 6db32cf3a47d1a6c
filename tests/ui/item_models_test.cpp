// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/fake_services.h"
#include "tests/support/temporary_folder.h"
#include "ui/config/run_draft.h"
#include "ui/models/data_files_model.h"
#include "ui/models/event_log_model.h"
#include "ui/models/merge_proof_model.h"
#include "ui/models/plan_items_model.h"
#include "ui/models/run_table_model.h"
#include "ui/text_format.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <QTest>

using namespace longlora;

namespace {

using Tester = QAbstractItemModelTester;
constexpr auto kFatal = Tester::FailureReportingMode::Fatal;

QString textAt(const QAbstractItemModel& model, int row, int column)
{
    return model.index(row, column).data(Qt::DisplayRole).toString();
}

} // namespace

class ItemModelsTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void eventLogGrowsAndChangesRun()
    {
        ui::EventLogModel model;
        const Tester tester(&model, kFatal);
        ui::RunRecord record;
        std::int64_t sequence = 0;
        for (const EventBody& body : test::scriptedRun(30)) {
            Event event;
            event.header = {"run", 0, sequence, 1000.0 + double(sequence)};
            event.body = body;
            record.apply(event);
            ++sequence;
            model.show(record);
        }
        QCOMPARE(model.rowCount(), static_cast<int>(record.log.size()));
        ui::RunRecord other;
        Event warning;
        warning.header = {"other", 0, 0, 5.0};
        warning.body = Message{MessageLevel::Warning, "disk nearly full"};
        other.apply(warning);
        model.show(other);
        QCOMPARE(model.rowCount(), 1);
        QCOMPARE(textAt(model, 0, ui::EventLogModel::Text), QStringLiteral("disk nearly full"));
        QVERIFY(model.index(0, 2).data(Qt::ForegroundRole).isValid());
    }

    void planItemsFollowThePlan()
    {
        ui::PlanItemsModel model;
        const Tester tester(&model, kFatal);
        model.setItems({{"weights", 1024.0 * 1024.0, "262,144 x 4 bytes"}});
        model.setItems({{"weights", 2048.0, "512 x 4 bytes"}});
        QCOMPARE(textAt(model, 0, ui::PlanItemsModel::Bytes), QStringLiteral("2 KiB"));
        model.setItems({{"weights", 1.0, ""}, {"gradients", 2.0, "of the trained"}});
        QCOMPARE(model.index(1, 0).data(Qt::ToolTipRole).toString(),
                 QStringLiteral("of the trained"));
        model.setItems({});
        QCOMPARE(model.rowCount(), 0);
    }

    void mergeProofTellsWhatWasNotVerified()
    {
        ui::MergeProofModel model;
        const Tester tester(&model, kFatal);
        test::FakeMerge merge;
        model.setReport(merge.report);
        QVERIFY(ui::proofHolds(merge.report));
        const int verifiedRows = model.rowCount();
        MergeReport report = merge.report;
        report.verified = false;
        model.setReport(report);
        QVERIFY(model.rowCount() < verifiedRows);
        QVERIFY(!ui::proofHolds(report));
        report = merge.report;
        report.drift = QuantizationDrift{0.5, 0.02, 500, 12.0, 11.5};
        model.setReport(report);
        QCOMPARE(model.rowCount(), verifiedRows + 2);
        report.rereadEqual = false;
        QVERIFY(!ui::proofHolds(report));
        report = merge.report;
        report.maxAbsLogitError = report.maxAbsLogit;
        QVERIFY(!ui::proofHolds(report));
        model.clear();
        QCOMPARE(model.rowCount(), 0);
    }

    void runTableReadsTheFolder()
    {
        const test::TemporaryFolder folder;
        test::FakeTraining training;
        RunConfig config;
        config.runName = "long one";
        config.context.length = 1024;
        training.start(config, folder.path() / "one");
        training.finish();
        ui::RunTableModel model(folder.path());
        const Tester tester(&model, kFatal);
        QSignalSpy refreshed(&model, &ui::RunTableModel::refreshed);
        model.refresh();
        QTRY_COMPARE(refreshed.count(), 1);
        QCOMPARE(model.rowCount(), 1);
        QCOMPARE(textAt(model, 0, ui::RunTableModel::Name), QStringLiteral("long one"));
        QCOMPARE(textAt(model, 0, ui::RunTableModel::State), QStringLiteral("Completed"));
        QVERIFY(!model.index(0, ui::RunTableModel::Curve)
                     .data(Qt::UserRole)
                     .value<QVector<double>>()
                     .isEmpty());
    }

    void dataFilesAreCountedWithTheModelsTokenizer()
    {
        const test::TemporaryFolder folder;
        test::makeDemoFolder(folder.path() / "demo",
                             LONGLORA_GOLDEN_DIR "/models/tiny-shakespeare");
        ui::RunDraft draft;
        ui::DataFilesModel model(draft);
        const Tester tester(&model, kFatal);
        model.addFiles({ui::pathText(folder.path() / "demo/book.txt"),
                        ui::pathText(folder.path() / "missing.txt")},
                       false);
        model.addFiles({ui::pathText(folder.path() / "demo/held_out.txt")}, true);
        QCOMPARE(model.rowCount(), 3);
        QVERIFY(model.trainingLengths().empty());
        draft.edit(
            [&](RunConfig& config) { config.model = (folder.path() / "demo/model").string(); });
        QTRY_COMPARE(model.trainingLengths().size(), std::size_t{1});
        QTRY_VERIFY(model.hasProblems());
        QTRY_VERIFY(!model.isCounting());
        QVERIFY(
            textAt(model, 1, ui::DataFilesModel::Status).contains(QLatin1String("missing.txt")));
        QVERIFY(!textAt(model, 2, ui::DataFilesModel::Tokens).isEmpty());
        model.removeRows({0, 2});
        QCOMPARE(model.rowCount(), 1);
        QCOMPARE(draft.config().data.train.size(), std::size_t{1});
        QVERIFY(draft.config().data.validation.empty());
    }
};

QTEST_MAIN(ItemModelsTest)
#include "item_models_test.moc"
