// SPDX-License-Identifier: GPL-3.0-or-later
// Each page driven with clicks on scripted services.
#include "core/spec/base/atomic_file.h"
#include "core/spec/config/config_json.h"
#include "core/spec/text/prompt_format.h"
#include "tests/ui/window_fixture.h"
#include "ui/config/run_draft.h"
#include "ui/pages/chat_page.h"
#include "ui/pages/configure_page.h"
#include "ui/run/plot_tools.h"
#include "ui/widgets/number_edit.h"

#include <QApplication>
#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QImage>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTableView>

using namespace longlora;
using test::WindowFixture;

namespace {

QString textOf(const WindowFixture& f, const char* label)
{
    return f.find<QLabel>(label)->text();
}

} // namespace

class PagesTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void theWholeTourByClicks()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        QVERIFY(textOf(f, "tourTitle").contains(QLatin1String("128")));
        f.click("tourNext");
        QVERIFY(f.fakes.training.isRunning());
        QCOMPARE(f.fakes.training.config().context.length, 512);
        QCOMPARE(f.window->currentPage(), ui::Page::Monitor);
        QVERIFY(!f.find("tourNext")->isVisible());
        f.fakes.training.finish();
        QTRY_VERIFY(f.canClick("monitorMerge"));
        QCOMPARE(textOf(f, "monitorState"), QStringLiteral("Completed"));
        f.click("tourNext");
        QCOMPARE(f.window->currentPage(), ui::Page::Merge);
        f.click("tourNext");
        QTRY_VERIFY(f.find("mergeChat")->isVisible());
        f.click("tourNext");
        QTRY_VERIFY(f.canClick("chatSend"));
        QCOMPARE(f.find<QPlainTextEdit>("chatInput")->toPlainText(),
                 QStringLiteral("The pass key is"));
        QVERIFY(f.find("chatNote")->isVisible());
        QTRY_COMPARE(f.find<QListWidget>("chatDocuments")->count(), 1);
        f.click("tourNext");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{1});
        QCOMPARE(f.fakes.chat.requests.front().sampling.temperature, 0.0);
        QTRY_VERIFY(textOf(f, "tourTitle").contains(QLatin1String("found")));
        QCOMPARE(textOf(f, "chatAnswer0"), QStringLiteral("48172."));
        f.click("tourNext");
        QVERIFY(!f.find("tourPanel")->isVisible());
    }

    void theTourCanBeSkippedAndReplayed()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QVERIFY(f.find("tourPanel")->isVisible());
        f.click("tourSkip");
        QVERIFY(!f.find("tourPanel")->isVisible());
        f.window->findChild<QAction*>(QStringLiteral("helpTour"))->trigger();
        QVERIFY(f.find("tourPanel")->isVisible());
    }

    void lengthAndFactorEditEachOther()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        auto* length = f.find<QSpinBox>("context.length");
        auto* factor = f.find<QDoubleSpinBox>("contextFactor");
        QTRY_COMPARE(factor->value(), 4.0);
        factor->setValue(8.0);
        QCOMPARE(length->value(), 1024);
        length->setValue(256);
        QCOMPARE(factor->value(), 2.0);
    }

    void consequencesFollowTheForm()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(textOf(f, "configureTrainable").contains(QLatin1String("59,872")));
        QTest::mouseClick(f.find<QCheckBox>("lora.train_embeddings"), Qt::LeftButton);
        QVERIFY(textOf(f, "configureTrainable").contains(QLatin1String("10,720")));
        f.click("loraPresetAllLinear");
        QVERIFY(f.find<QCheckBox>("lora.targets.down_proj")->isChecked());
        QVERIFY(!textOf(f, "configureTrainable").contains(QLatin1String("10,720")));
        f.click("loraPresetLongLora");
        QVERIFY(!f.find<QCheckBox>("lora.targets.down_proj")->isChecked());
        QVERIFY(textOf(f, "configureTrainable").contains(QLatin1String("10,720")));
    }

    void everyWeightCanBeTrainedInsteadOfLora()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        auto* method = f.find<QComboBox>("method");
        QVERIFY(f.find("lora.rank")->isVisible());
        method->setCurrentIndex(method->findText(QStringLiteral("every weight")));
        QVERIFY(!f.find("lora.rank")->isVisible());
        QVERIFY(!f.find("lora.train_embeddings")->isVisible());
        f.click("configureStart");
        QVERIFY(f.fakes.training.config().method == TrainingMethod::Full);
        f.fakes.training.finish();
        // What such a run ends with is a model: there is nothing to merge.
        QTRY_VERIFY(f.canClick("monitorChat"));
        QVERIFY(!f.find("monitorMerge")->isVisible());
        f.click("monitorChat");
        QCOMPARE(f.window->currentPage(), ui::Page::Chat);
    }

    void aForecastOfTheTimeFollowsTheMeasuredSpeed()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(textOf(f, "configureStepTime").contains(QLatin1String("per step")));
        QTRY_VERIFY(textOf(f, "configureStepTime").startsWith(QLatin1String("about")));
    }

    void curvesAreExportedAsPictureDrawingAndFigures()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        f.click("configureStart");
        f.fakes.training.finish();
        QTRY_VERIFY(f.canClick("monitorMerge"));
        auto* tools = f.window->findChild<ui::PlotTools*>();
        const auto exported = [&](const char* name) {
            const std::filesystem::path file = f.demo() / name;
            tools->exportTo(QString::fromStdString(file.string()));
            for (int wait = 0; wait < 100 && !std::filesystem::exists(file); ++wait) {
                QTest::qWait(20);
            }
            return readWholeFile(file, 1 << 22);
        };
        QVERIFY(QImage::fromData(QByteArray::fromStdString(exported("curves.png"))).width() > 200);
        QVERIFY(exported("curves.svg").find("</svg>") != std::string::npos);
        const std::string figures = exported("figures.csv");
        QVERIFY(figures.find("loss") != std::string::npos);
        QVERIFY(std::count(figures.begin(), figures.end(), '\n') > 3);
        QSignalSpy failures(tools, &ui::PlotTools::exportFailed);
        tools->exportTo(QStringLiteral("/nonexistent/curves.png"));
        QCOMPARE(failures.count(), 1);
        QVERIFY(f.find("monitorProblem")->isVisible());
    }

    void problemsStandBesideTheirFieldAndBlockTheStart()
    {
        WindowFixture f;
        f.click("railConfigure");
        QVERIFY(!f.canClick("configureStart"));
        QVERIFY(f.find<QListWidget>("configureProblems")->count() > 0);
        f.click("railHome");
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        // An odd group cannot be halved.
        f.find<QComboBox>("contextGroupMode")->setCurrentIndex(1);
        f.find<QSpinBox>("attention.group")->setValue(101);
        QVERIFY(!f.canClick("configureStart"));
        QVERIFY(f.canClick("attention.group.suggestion"));
        f.click("attention.group.suggestion");
        QVERIFY(f.canClick("configureStart"));
        QVERIFY(f.find<QSpinBox>("attention.group")->value() != 101);
    }

    void aBrokenModelFolderSaysWhatIsMissing()
    {
        WindowFixture f;
        std::filesystem::remove(f.demo() / "model/model.safetensors");
        std::filesystem::remove(f.demo() / "model/tokenizer.model");
        f.click("homeTryDemo");
        QTRY_VERIFY(textOf(f, "configureModelStatus").contains(QLatin1String("safetensors")));
        QVERIFY(textOf(f, "configureModelNotes").contains(QLatin1String("tokenizer")));
        QVERIFY(!f.canClick("configureStart"));
    }

    void copyAsCommandRepeatsTheRun()
    {
        WindowFixture f;
        f.click("homeTryDemo");
        QTRY_VERIFY(f.canClick("configureStart"));
        f.click("configureCopyCommand");
        const QString line = QApplication::clipboard()->text();
        QVERIFY(line.startsWith(QLatin1String("longlora train")));
        QVERIFY(line.contains(QLatin1String("512")));
    }

    void undoTakesAnEditBack()
    {
        WindowFixture f;
        auto* rank = f.find<QSpinBox>("lora.rank");
        rank->setValue(32);
        f.find<ui::NumberEdit>("optimizer.learning_rate")->stepBy(1);
        ui::RunDraft& draft = f.window->findChild<ui::ConfigurePage*>()->draft();
        QCOMPARE(draft.config().optimizer.learningRate, 3e-5);
        draft.undo();
        draft.undo();
        QCOMPARE(rank->value(), 8);
        draft.redo();
        QCOMPARE(rank->value(), 32);
    }

    void holdResumeCheckpointStopActAtTheNextStep()
    {
        WindowFixture f;
        f.startDemoRun();
        f.fakes.training.advance(20);
        QTRY_VERIFY(textOf(f, "monitorStep").startsWith(QLatin1String("1")));
        f.click("monitorHold");
        QVERIFY(f.find("monitorPending")->isVisible());
        QVERIFY(!f.find("monitorHold")->isEnabled());
        f.fakes.training.advance();
        QTRY_VERIFY(f.canClick("monitorResume"));
        QVERIFY(!f.find("monitorPending")->isVisible());
        f.click("monitorResume");
        f.fakes.training.advance();
        QTRY_VERIFY(f.canClick("monitorHold"));
        f.click("monitorCheckpoint");
        QVERIFY(f.find("monitorPending")->isVisible());
        f.fakes.training.advance();
        QTRY_VERIFY(!f.find("monitorPending")->isVisible());
        f.click("monitorStop");
        QVERIFY(f.find("monitorPending")->isVisible());
        f.fakes.training.advance();
        QTRY_COMPARE(textOf(f, "monitorState"), QStringLiteral("Stopped"));
        QVERIFY(f.canClick("monitorMerge"));
    }

    void aFailedRunShowsItsCard()
    {
        WindowFixture f;
        RunFinished failure;
        failure.message = "the loss of step 51 is not a number";
        failure.hint = "Lower the learning rate.";
        f.fakes.training.failure = failure;
        f.startDemoRun();
        f.fakes.training.finish();
        QTRY_VERIFY(f.find("monitorProblem")->isVisible());
        const QString text = f.find("monitorProblem")->accessibleDescription();
        QVERIFY(text.contains(QLatin1String("not a number")));
        QVERIFY(text.contains(QLatin1String("Lower the learning rate")));
        QVERIFY(text.contains(QLatin1String("program: 310 MiB")));
        QVERIFY(!f.find("monitorMerge")->isVisible());
    }

    void aRunOpenedFromItsFolderLooksTheSame()
    {
        WindowFixture f;
        f.startDemoRun();
        f.fakes.training.finish();
        QTRY_VERIFY(f.canClick("monitorMerge"));
        const QString step = textOf(f, "monitorStep"), loss = textOf(f, "monitorLoss"),
                      peak = textOf(f, "monitorPeak"), setup = textOf(f, "monitorSetup");
        const int lines = f.find<QTableView>("monitorLog")->model()->rowCount();

        f.window->close();
        f.open();
        f.click("railRuns");
        auto* table = f.find<QTableView>("runsTable");
        QTRY_COMPARE(table->model()->rowCount(), 1);
        table->selectRow(0);
        f.click("runsOpen");
        QTRY_VERIFY(f.canClick("monitorMerge"));
        QCOMPARE(textOf(f, "monitorStep"), step);
        QCOMPARE(textOf(f, "monitorLoss"), loss);
        QCOMPARE(textOf(f, "monitorPeak"), peak);
        QCOMPARE(textOf(f, "monitorSetup"), setup);
        QCOMPARE(f.find<QTableView>("monitorLog")->model()->rowCount(), lines);
        f.click("monitorMerge");
        QCOMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(f.demo() / "model"));
    }

    void cloneFillsTheForm()
    {
        WindowFixture f;
        f.startDemoRun();
        f.fakes.training.finish();
        QTRY_VERIFY(f.canClick("monitorMerge"));
        f.find<QSpinBox>("lora.rank")->setValue(64);
        f.click("railRuns");
        auto* table = f.find<QTableView>("runsTable");
        QTRY_COMPARE(table->model()->rowCount(), 1);
        QTRY_VERIFY((table->selectRow(0), f.canClick("runsClone")));
        f.click("runsClone");
        QCOMPARE(f.window->currentPage(), ui::Page::Configure);
        QCOMPARE(f.find<QSpinBox>("lora.rank")->value(), 8);
    }

    void aMergeIsCancelledAndFailsWithWords()
    {
        WindowFixture f;
        f.click("railMerge");
        QVERIFY(!f.canClick("mergeStart"));
        for (const auto& [field, path] :
             {std::pair{"mergeBase", f.demo() / "model"}, std::pair{"mergeAdapter", f.demo()},
              std::pair{"mergeOutput", f.folder.path() / "out"}}) {
            auto* edit = f.find<QLineEdit>(field);
            edit->setText(ui::pathText(path));
            QTest::keyClick(edit, Qt::Key_Return);
        }
        f.fakes.merge.stall = true;
        f.click("mergeStart");
        QVERIFY(f.canClick("mergeCancel"));
        f.click("mergeCancel");
        QTRY_VERIFY(f.canClick("mergeStart"));
        QVERIFY(!f.find("mergeChat")->isVisible());
        f.fakes.merge.stall = false;
        f.fakes.merge.failure = "no space is left";
        QTRY_VERIFY(f.canClick("mergeStart"));
        f.click("mergeStart");
        QTRY_VERIFY(f.find("mergeProblem")->isVisible());
        QVERIFY(f.find("mergeProblem")
                    ->accessibleDescription()
                    .contains(QLatin1String("no space is left")));
        f.fakes.merge.failure.reset();
        QTRY_VERIFY(f.canClick("mergeStart"));
        f.click("mergeStart");
        QTRY_VERIFY(f.canClick("mergeChat"));
        QVERIFY(f.find<QTableView>("mergeProof")->model()->rowCount() >= 8);
    }

    void thePromptIsExactlyWhatIsSent()
    {
        WindowFixture f;
        loadChat(f);
        auto* input = f.find<QPlainTextEdit>("chatInput");
        QTest::keyClicks(input, QStringLiteral("Who spoke?"));
        f.click("chatShowPrompt");
        auto* shown = f.find<QPlainTextEdit>("chatPrompt");
        QTRY_VERIFY(shown->toPlainText().endsWith(QLatin1String("the pass key.\n\nWho spoke?")));
        const QString preview = shown->toPlainText();
        QTest::keyClick(input, Qt::Key_Return);
        QTRY_VERIFY(f.canClick("chatRegenerate"));
        QCOMPARE(sentText(f), preview);
        QVERIFY(input->toPlainText().isEmpty());

        QTest::keyClicks(input, QStringLiteral("And then?"));
        f.click("chatSend");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{2});
        QVERIFY(sentText(f).endsWith(QLatin1String("\n\nWho spoke? 48172.\n\nAnd then?")));
        const QString second = sentText(f);
        QTRY_VERIFY(f.canClick("chatRegenerate"));
        f.click("chatRegenerate");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{3});
        QCOMPARE(sentText(f), second);
        QCOMPARE(f.fakes.chat.requests[2].sampling.seed,
                 f.fakes.chat.requests[1].sampling.seed + 1);
        QTRY_VERIFY(f.canClick("chatClear"));
        f.click("chatCopy0");
        QCOMPARE(QApplication::clipboard()->text(), QStringLiteral("48172."));
    }

    void anAnswerCanBeStopped()
    {
        WindowFixture f;
        f.fakes.chat.answer.assign(10000, " word");
        loadChat(f);
        QTest::keyClicks(f.find("chatInput"), QStringLiteral("Go on"));
        f.click("chatSend");
        QTRY_COMPARE(textOf(f, "chatStatus"), QStringLiteral("Answering"));
        f.click("chatStop");
        QTRY_VERIFY(f.canClick("chatRegenerate"));
        QVERIFY(textOf(f, "chatAnswer0").startsWith(QLatin1String("word")));
    }

    void tooLongAPromptIsRefusedWithChoices()
    {
        WindowFixture f;
        f.fakes.chat.model.contextLength = 96;
        loadChat(f);
        f.find<QSpinBox>("chatMaxTokens")->setValue(90);
        QTest::keyClicks(f.find("chatInput"), QStringLiteral("Who?"));
        f.click("chatSend");
        QTRY_VERIFY(f.find("chatProblem")->isVisible());
        QVERIFY(f.fakes.chat.requests.empty());
        f.click("chatShortenAnswer");
        QVERIFY(f.find<QSpinBox>("chatMaxTokens")->value() < 90);
        QTRY_VERIFY(f.canClick("chatSend"));
        f.click("chatSend");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{1});
    }

    void aFileThatIsNotTextIsRefused()
    {
        WindowFixture f;
        writeFileAtomically(f.folder.path() / "picture.txt", "\xff\xfe\x01 no text");
        f.window->openPath(f.folder.path() / "picture.txt");
        QTRY_VERIFY(f.find("chatProblem")->isVisible());
        QVERIFY(f.find("chatProblem")->accessibleDescription().contains(QLatin1String("UTF-8")));
        QCOMPARE(f.find<QListWidget>("chatDocuments")->count(), 0);
    }

    void pathsOpenOnTheirPage()
    {
        WindowFixture f;
        f.window->openPath(f.demo() / "model");
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Configure);
        f.window->openPath(f.demo() / "book.txt");
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Chat);
        std::filesystem::create_directory(f.folder.path() / "adapter");
        writeFileAtomically(f.folder.path() / "adapter/adapter_config.json", "{}");
        f.window->openPath(f.folder.path() / "adapter");
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Merge);
        QCOMPARE(f.find<QLineEdit>("mergeOutput")->text(),
                 ui::pathText(f.folder.path() / "merged"));
        QVERIFY(!f.find("windowProblem")->isVisible());
        f.window->openPath(f.folder.path());
        QTRY_VERIFY(f.find("windowProblem")->isVisible());
    }

    void closingDuringARunAsks()
    {
        WindowFixture f;
        f.startDemoRun();
        f.fakes.training.advance(20);
        QVERIFY(!f.window->close());
        f.click("closeCancel");
        QVERIFY(f.window->isVisible());
        QTRY_VERIFY(f.window->findChild<QWidget*>(QStringLiteral("closeQuestion")) == nullptr);
        QVERIFY(!f.window->close());
        f.click("closeStop");
        QVERIFY(f.window->isVisible());
        f.fakes.training.advance();
        QTRY_VERIFY(!f.window->isVisible());
    }

    void theWindowRemembersItsPage()
    {
        WindowFixture f;
        f.click("railMerge");
        f.window->close();
        f.open();
        QCOMPARE(f.window->currentPage(), ui::Page::Merge);
        for (int page = 0; page < ui::kPageCount; ++page) {
            QTest::keyClick(f.window.get(), static_cast<Qt::Key>(Qt::Key_1 + page),
                            Qt::ControlModifier);
            QTRY_COMPARE(static_cast<int>(f.window->currentPage()), page);
        }
    }

private:
    /// The last request as the model would read it.
    static QString sentText(const WindowFixture& f)
    {
        const PromptFormat format = PromptFormat::readOrPlain(f.fakes.chat.model.folder);
        return ui::toQString(format.write(f.fakes.chat.requests.back().conversation));
    }

    static void loadChat(WindowFixture& f)
    {
        f.window->openPath(f.demo() / "story.txt");
        auto* folder = f.find<QLineEdit>("chatModel");
        folder->setText(ui::pathText(f.demo() / "model"));
        QTest::keyClick(folder, Qt::Key_Return);
        QTRY_VERIFY(textOf(f, "chatModelInfo").contains(QLatin1String("base model")));
        QTRY_COMPARE(f.find<QListWidget>("chatDocuments")->count(), 1);
        QTRY_VERIFY(f.find<QListWidget>("chatDocuments")
                        ->item(0)
                        ->text()
                        .contains(QLatin1String("tokens")));
    }
};

QTEST_MAIN(PagesTest)
#include "pages_test.moc"
