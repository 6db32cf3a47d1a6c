// SPDX-License-Identifier: GPL-3.0-or-later
// The merge page: what is known before a merge, what it offers, and taking it back.
#include "core/spec/base/atomic_file.h"
#include "tests/ui/drop.h"
#include "tests/ui/window_fixture.h"
#include "ui/merge/merge_command.h"
#include "ui/merge/progress_estimate.h"
#include "ui/pages/merge_page.h"

#include <QAction>
#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QGuiApplication>
#include <QLabel>
#include <QLineEdit>
#include <QProgressBar>
#include <QTableView>

using namespace longlora;
using test::dropOn;
using test::WindowFixture;

namespace {

namespace fs = std::filesystem;

QString textOf(const WindowFixture& f, const char* label)
{
    return f.find<QLabel>(label)->text();
}

void type(const WindowFixture& f, const char* field, const fs::path& path)
{
    auto* edit = f.find<QLineEdit>(field);
    edit->setText(ui::pathText(path));
    QTest::keyClick(edit, Qt::Key_Return);
}

/// An adapter folder beside the demo, of the base named in it.
fs::path makeAdapter(const WindowFixture& f, const std::string& base)
{
    const fs::path adapter = f.folder.path() / "adapter";
    fs::create_directories(adapter);
    writeFileAtomically(adapter / "adapter_config.json",
                        R"({"base_model_name_or_path": ")" + base + "\"}");
    return adapter;
}

void fillForm(const WindowFixture& f)
{
    f.click("railMerge");
    type(f, "mergeBase", f.demo() / "model");
    type(f, "mergeAdapter", makeAdapter(f, ""));
}

bool drop(const WindowFixture& f, const fs::path& path)
{
    return dropOn(f.window->findChild<ui::MergePage*>(), path);
}

} // namespace

class MergePageTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void whatItNeedsIsKnownBeforeItStarts()
    {
        WindowFixture f;
        f.click("railMerge");
        QVERIFY(textOf(f, "mergeObstacle").contains(QLatin1String("Choose a base")));
        fillForm(f);
        QTRY_VERIFY(textOf(f, "mergeSpace").contains(QLatin1String("50 GiB")));
        QVERIFY(textOf(f, "mergeFingerprint").startsWith(QLatin1String("5b1ea7c3d2")));
        QVERIFY(textOf(f, "mergeFingerprint").contains(QLatin1String("was trained on")));
        QVERIFY(textOf(f, "mergeWrites").contains(QLatin1String("26 of them changed")));
        QVERIFY(textOf(f, "mergeMemory").contains(QLatin1String("verifying")));
        QVERIFY(textOf(f, "mergeAdapterAlone").endsWith(QLatin1String("/adapter")));
        QVERIFY(!f.find("mergeObstacle")->isVisible());
        QVERIFY(f.canClick("mergeStart"));
        QCOMPARE(f.fakes.merge.calls.load(), 0);
    }

    void whatCannotWorkCannotBeStarted()
    {
        WindowFixture f;
        f.fakes.merge.preview.freeBytes = 1e6;
        fillForm(f);
        QTRY_VERIFY(textOf(f, "mergeObstacle").contains(QLatin1String("too little space")));
        QVERIFY(!f.canClick("mergeStart"));
        f.fakes.merge.preview.freeBytes = 1e12;
        f.fakes.merge.preview.availableMemory = 1e6;
        type(f, "mergeOutput", f.folder.path() / "elsewhere");
        QTRY_VERIFY(textOf(f, "mergeObstacle").contains(QLatin1String("without verification")));
        f.fakes.merge.unfit = "The adapter is of another base model";
        type(f, "mergeOutput", f.folder.path() / "again");
        QTRY_VERIFY(textOf(f, "mergeObstacle").contains(QLatin1String("another base model")));
        QVERIFY(textOf(f, "mergeObstacle").contains(QLatin1String("Use the base")));
        QVERIFY(!f.canClick("mergeStart"));
        f.fakes.merge.unfit.reset();
        f.fakes.merge.preview.availableMemory = 0.0; // not known
        type(f, "mergeOutput", f.folder.path() / "third");
        QTRY_VERIFY(f.canClick("mergeStart"));
    }

    void aDroppedFolderGoesIntoItsField()
    {
        WindowFixture f;
        f.click("railMerge");
        QVERIFY(drop(f, f.demo() / "model"));
        QTRY_COMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
        const fs::path adapter = makeAdapter(f, "");
        QVERIFY(drop(f, adapter));
        QTRY_COMPARE(f.find<QLineEdit>("mergeAdapter")->text(), ui::pathText(adapter));
        QCOMPARE(f.find<QLineEdit>("mergeOutput")->text(),
                 ui::pathText(f.folder.path() / "merged"));
        QCOMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
        QCOMPARE(f.window->currentPage(), ui::Page::Merge);
        drop(f, f.demo() / "book.txt"); // has no field here
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Chat);
        QCOMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
        QCOMPARE(f.find<QLineEdit>("mergeAdapter")->text(), ui::pathText(adapter));
    }

    void whatIsDroppedOnAFieldGoesIntoTheOneItBelongsTo()
    {
        WindowFixture f;
        f.click("railMerge");
        const fs::path adapter = makeAdapter(f, "");
        QVERIFY(dropOn(f.find("mergeBase"), adapter));
        QTRY_COMPARE(f.find<QLineEdit>("mergeAdapter")->text(), ui::pathText(adapter));
        QVERIFY(dropOn(f.find("mergeAdapter"), f.demo() / "model"));
        QTRY_COMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
        QCOMPARE(f.find<QLineEdit>("mergeAdapter")->text(), ui::pathText(adapter));
    }

    void theBaseIsChosenFromTheModelsAtHand()
    {
        qputenv("HF_HUB_CACHE", "/nowhere");
        WindowFixture f;
        f.window->openPath(f.demo() / "model");
        QTRY_VERIFY(f.window->findChild<QAction*>(QStringLiteral("mergeBaseRecent0")) != nullptr);
        f.click("railMerge");
        f.window->findChild<QAction*>(QStringLiteral("mergeBaseRecent0"))->trigger();
        QTRY_COMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
    }

    void aDroppedRunFillsInBaseAndAdapter()
    {
        WindowFixture f;
        f.startDemoRun();
        f.fakes.training.finish();
        QTRY_VERIFY(f.canClick("monitorMerge"));
        f.click("railMerge");
        QVERIFY(drop(f, f.fakes.training.folder()));
        QTRY_COMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
        QCOMPARE(f.find<QLineEdit>("mergeAdapter")->text(),
                 ui::pathText(f.fakes.training.folder() / "adapter"));
    }

    void anAdapterFillsInTheBaseItNames()
    {
        WindowFixture f;
        f.click("railMerge");
        const fs::path adapter = makeAdapter(f, (f.demo() / "model").string());
        type(f, "mergeAdapter", adapter);
        QCOMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
        type(f, "mergeBase", f.demo());
        type(f, "mergeAdapter", f.folder.path());
        type(f, "mergeAdapter", adapter);
        QVERIFY2(f.find<QLineEdit>("mergeBase")->text() == ui::pathText(f.demo()),
                 "what was typed in stays");
        QVERIFY(drop(f, adapter));
        QTRY_COMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
    }

    void aBaseThatIsNotHereIsNamed()
    {
        qputenv("HF_HUB_CACHE", "/nowhere");
        WindowFixture f;
        fillForm(f); // of an earlier merge
        f.click("railHome");
        QVERIFY(drop(f, makeAdapter(f, "meta-llama/Llama-3.2-1B")));
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Merge);
        QVERIFY(f.find<QLineEdit>("mergeBase")->text().isEmpty());
        QTRY_VERIFY(textOf(f, "mergeObstacle")
                        .startsWith(QLatin1String("The adapter was trained on meta-llama/"
                                                  "Llama-3.2-1B, which was not found")));
        QVERIFY(!f.canClick("mergeStart"));
    }

    void whatHasJustBeenWrittenIsNotAnObstacleByChance()
    {
        WindowFixture f;
        fillForm(f);
        QTRY_VERIFY(f.canClick("mergeStart"));
        f.click("mergeStart");
        QTRY_VERIFY(f.canClick("mergeChat"));
        QTRY_VERIFY(textOf(f, "mergeObstacle")
                        .startsWith(QLatin1String("The output has just been written")));
        QVERIFY(!f.canClick("mergeStart"));
    }

    void anExistingOutputIsReplacedAndComesBack()
    {
        WindowFixture f;
        const fs::path output = f.folder.path() / "merged";
        fs::create_directory(output);
        writeFileAtomically(output / "mine", "precious");
        fillForm(f);
        QTRY_VERIFY(f.find("mergeReplace")->isVisible());
        QVERIFY(f.find<QCheckBox>("mergeReplace")->text().contains(QLatin1String("8 B")));
        QVERIFY(!f.canClick("mergeStart"));
        QTest::mouseClick(f.find("mergeReplace"), Qt::LeftButton, {}, {10, 8});
        QTRY_VERIFY(f.canClick("mergeStart"));
        f.click("mergeStart");
        QTRY_VERIFY(f.canClick("mergeUndo"));
        QVERIFY(f.find<QAbstractButton>("mergeUndo")->text().contains(QLatin1String("8 B")));
        QVERIFY(fs::exists(output / "config.json"));

        f.click("mergeUndo");
        QCOMPARE(readWholeFile(output / "mine", 100), std::string("precious"));
        QVERIFY(fs::exists(f.folder.path() / "merged.replaced/config.json"));
        QVERIFY(!f.find("mergeChat")->isVisible());
        f.click("mergeUndo"); // Redo
        QVERIFY(fs::exists(output / "config.json"));
        QVERIFY(f.canClick("mergeChat"));

        fs::remove_all(f.folder.path() / "merged.replaced");
        f.click("mergeUndo");
        QVERIFY(f.find("mergeProblem")->isVisible());
        QVERIFY(fs::exists(output / "config.json"));
    }

    void ggufIsAFileForAnotherProgram()
    {
        WindowFixture f;
        fillForm(f);
        auto* dtype = f.find<QComboBox>("mergeDtype");
        QCOMPARE(dtype->findText(QStringLiteral("q8_0")), -1);
        f.find<QComboBox>("mergeFormat")->setCurrentIndex(1);
        QCOMPARE(f.find<QLineEdit>("mergeOutput")->text(),
                 ui::pathText(f.folder.path() / "merged.gguf"));
        QVERIFY(!f.find("mergeShardSize")->isVisible());
        dtype->setCurrentIndex(dtype->findText(QStringLiteral("q8_0")));
        QTRY_VERIFY(f.canClick("mergeStart"));
        f.click("mergeStart");
        QTRY_VERIFY(!textOf(f, "mergeVerdict").isEmpty());
        QVERIFY(!f.find("mergeChat")->isVisible());
        f.find<QComboBox>("mergeFormat")->setCurrentIndex(0);
        QCOMPARE(f.find<QLineEdit>("mergeOutput")->text(),
                 ui::pathText(f.folder.path() / "merged"));
        QCOMPARE(dtype->currentText(), QStringLiteral("as the base is stored"));
    }

    void copyAsCommandSaysWhatDiffers()
    {
        WindowFixture f;
        fillForm(f);
        f.click("mergeCopyCommand");
        const QString paths = ui::pathText(f.folder.path());
        QCOMPARE(QGuiApplication::clipboard()->text(),
                 QStringLiteral("longlora merge --base %1/demo/model --adapter %1/adapter --out "
                                "%1/merged")
                     .arg(paths));
        f.find<QComboBox>("mergePositions")->setCurrentIndex(1);
        f.find<QDoubleSpinBox>("mergeShardSize")->setValue(2.5);
        QTest::mouseClick(f.find("mergeVerify"), Qt::LeftButton, {}, {10, 8});
        type(f, "mergeOutput", "/models/it's new");
        f.click("mergeCopyCommand");
        const QString line = QGuiApplication::clipboard()->text();
        QVERIFY(line.contains(QLatin1String("--out '/models/it'\\''s new' ")));
        QVERIFY(line.endsWith(
            QLatin1String("--positions trained --max-shard-size 2500000000 --no-verify")));
        MergeRequest request;
        request.format = MergeFormat::Gguf;
        request.dtype = "q8_0";
        request.replace = true;
        QVERIFY(ui::mergeCommandLine(request).endsWith(
            QLatin1String("--format gguf --dtype q8_0 --replace")));
    }

    void progressTellsRateAndTimeLeft()
    {
        ui::ProgressEstimate estimate;
        constexpr std::int64_t kMiB = 1 << 20;
        estimate.update({"merging", 0, 1000 * kMiB, "bytes"}, 5.0);
        QVERIFY(estimate.secondsLeft() < 0.0);
        estimate.update({"merging", 250 * kMiB, 1000 * kMiB, "bytes"}, 7.0);
        QCOMPARE(estimate.percent(), 25);
        QCOMPARE(estimate.rate(), 125.0 * static_cast<double>(kMiB));
        QCOMPARE(estimate.secondsLeft(), 6.0);
        QCOMPARE(estimate.text(), QStringLiteral("250 MiB of 1000 MiB, 125 MiB/s, 6.0 s left"));
        estimate.update({"verifying", 1, 40, "steps"}, 8.0);
        QVERIFY2(estimate.secondsLeft() < 0.0, "another phase has another speed");
        estimate.update({"verifying", 11, 40, "steps"}, 10.0);
        QCOMPARE(estimate.text(), QStringLiteral("11 of 40 steps, 5 steps/s, 5.8 s left"));
    }

    void theBarShowsHowFarItIs()
    {
        WindowFixture f;
        fillForm(f);
        f.fakes.merge.stall = true;
        QTRY_VERIFY(f.canClick("mergeStart"));
        f.click("mergeStart");
        QTRY_COMPARE(f.find<QProgressBar>("mergeProgress")->value(), 50);
        QVERIFY(f.find<QProgressBar>("mergeProgress")->text().startsWith(QLatin1String("Merging")));
        QVERIFY(textOf(f, "mergeStatus").startsWith(QLatin1String("5 of 10 tensors")));
        QVERIFY(!f.find("mergeBase")->isEnabled());
        f.click("mergeCancel");
        QTRY_VERIFY(f.canClick("mergeStart"));
        QVERIFY(!f.find("mergeProgress")->isVisible());
    }
};

QTEST_MAIN(MergePageTest)
#include "merge_page_test.moc"
