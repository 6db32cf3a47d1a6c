// SPDX-License-Identifier: GPL-3.0-or-later
// Choosing, dropping and importing models.
#include "core/spec/base/atomic_file.h"
#include "tests/ui/drop.h"
#include "tests/ui/window_fixture.h"
#include "ui/config/run_draft.h"
#include "ui/pages/configure_page.h"

#include <QAction>
#include <QCheckBox>
#include <QLabel>
#include <QLineEdit>

using namespace longlora;
using test::WindowFixture;

namespace fs = std::filesystem;

namespace {

const fs::path kGolden = LONGLORA_GOLDEN_DIR;

QString cardText(const WindowFixture& f)
{
    QStringList lines;
    for (const QLabel* label : f.window->findChildren<QLabel*>()) {
        if (label->objectName().startsWith(QLatin1String("configureModelLine"))) {
            lines.append(label->accessibleName() + QLatin1String(": ") + label->text());
        }
    }
    return lines.join(u'\n');
}

QString statusText(const WindowFixture& f)
{
    return f.find<QLabel>("configureModelStatus")->text();
}

std::string chosenModel(const WindowFixture& f)
{
    return f.window->findChild<ui::ConfigurePage*>()->draft().config().model;
}

const QStringList kLlamaTargets =
    QStringLiteral("q_proj k_proj v_proj o_proj gate_proj up_proj down_proj").split(u' ');
const QStringList kNeoxTargets =
    QStringLiteral("query_key_value dense dense_h_to_4h dense_4h_to_h").split(u' ');

/// The check boxes of LoRA's targets that are shown.
QStringList offeredTargets(const WindowFixture& f, bool onlyChecked = false)
{
    QStringList names;
    for (const QCheckBox* check : f.window->findChildren<QCheckBox*>()) {
        if (check->objectName().startsWith(QLatin1String("lora.targets.")) &&
            check->isVisibleTo(f.window.get()) && (check->isChecked() || !onlyChecked)) {
            names.append(check->text());
        }
    }
    return names;
}

QStringList checkedTargets(const WindowFixture& f)
{
    return offeredTargets(f, true);
}

void drop(WindowFixture& f, const fs::path& path)
{
    QVERIFY(test::dropOn(f.window.get(), path));
}

fs::path copiedModel(const WindowFixture& f, const char* name)
{
    const fs::path folder = f.folder.path() / name;
    fs::copy(kGolden / "models" / name, folder, fs::copy_options::recursive);
    return folder;
}

fs::path someGguf(const WindowFixture& f)
{
    writeFileAtomically(f.folder.path() / "tiny.gguf", "GGUF and more");
    return f.folder.path() / "tiny.gguf";
}

} // namespace

class ModelPageTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { qputenv("HF_HUB_CACHE", "/nowhere"); }

    void theCardTellsTheModel()
    {
        WindowFixture f;
        drop(f, kGolden / "models/llama-gqa-llama3");
        QTRY_VERIFY(cardText(f).contains(QLatin1String("Family: Llama (LlamaForCausalLM)")));
        QCOMPARE(f.window->currentPage(), ui::Page::Configure);
        const QString card = cardText(f);
        QVERIFY2(card.contains(QLatin1String("llama3 x 8")), qPrintable(card));
        QVERIFY2(card.contains(QLatin1String("stretched by 8")), qPrintable(card));
        QVERIFY2(card.contains(QLatin1String("safetensors in 5 files")), qPrintable(card));
        QVERIFY2(card.contains(QLatin1String("base model")), qPrintable(card));
        QVERIFY(f.find<QLabel>("configureModelNotes")
                    ->text()
                    .contains(QLatin1String("there is no tokenizer")));
    }

    void theCardTellsWhatAFamilyDoesOtherwise()
    {
        WindowFixture f;
        drop(f, kGolden / "models/gpt-neox");
        QTRY_VERIFY(cardText(f).contains(QLatin1String("GPT-NeoX")));
        const QString card = cardText(f);
        QVERIFY2(card.contains(QLatin1String("theta 10,000: positions are used as they are; on 4 "
                                             "of the 16 numbers of a head")),
                 qPrintable(card));
        QVERIFY2(card.contains(QLatin1String("attention and MLP side by side")), qPrintable(card));
        drop(f, kGolden / "models/qwen3");
        QTRY_VERIFY(cardText(f).contains(QLatin1String("Qwen3")));
        QVERIFY(!cardText(f).contains(QLatin1String("numbers of a head")));
        QVERIFY(!cardText(f).contains(QLatin1String("side by side")));
    }

    void aBrokenFolderSaysWhatIsMissing()
    {
        WindowFixture f;
        const fs::path folder = copiedModel(f, "llama-gqa-llama3");
        fs::remove(folder / "model-00003-of-00005.safetensors");
        drop(f, folder);
        QTRY_VERIFY(statusText(f).contains(QLatin1String("model-00003-of-00005.safetensors")));
        QVERIFY(statusText(f).contains(QLatin1String("1 of 5 weight files")));
        fs::remove(folder / "config.json");
        f.window->findChild<ui::ConfigurePage*>()->draft().edit(
            [](RunConfig& config) { config.model.clear(); });
        drop(f, folder);
        QTRY_VERIFY(statusText(f).contains(QLatin1String("config.json is missing")));
        QVERIFY(!f.canClick("configureStart"));
    }

    void loraIsOfferedOnWhatTheModelHas()
    {
        WindowFixture f;
        f.click("railConfigure");
        QCOMPARE(offeredTargets(f), kLlamaTargets);
        QCOMPARE(checkedTargets(f), kLlamaTargets.first(4));
        drop(f, kGolden / "models/gpt-neox");
        QTRY_COMPARE(offeredTargets(f), kNeoxTargets);
        // LongLoRA's choice is this family's now, and the page says so.
        QCOMPARE(checkedTargets(f), kNeoxTargets.first(2));
        const auto* note = f.find<QLabel>("loraDroppedTargets");
        QVERIFY(note->isVisibleTo(f.window.get()));
        QCOMPARE(note->text(), QLatin1String("GPT-NeoX has no q_proj, k_proj, v_proj, o_proj. "
                                             "LoRA is on query_key_value, dense now."));
        QVERIFY(f.find("lora.targets")->accessibleDescription().isEmpty());
        f.find<QAbstractButton>("loraPresetAllLinear")->click();
        QCOMPARE(checkedTargets(f), kNeoxTargets);
        QVERIFY(!note->isVisibleTo(f.window.get()));
        f.find<QAbstractButton>("lora.targets.dense")->click();
        QVERIFY(!checkedTargets(f).contains(QLatin1String("dense")));
        f.find<QAbstractButton>("loraPresetLongLora")->click();
        QCOMPARE(checkedTargets(f), kNeoxTargets.first(2));
        drop(f, kGolden / "models/qwen3");
        QTRY_COMPARE(offeredTargets(f), kLlamaTargets);
        QCOMPARE(checkedTargets(f), kLlamaTargets.first(4));
    }

    void undoingAModelBringsItsTargetsBack()
    {
        WindowFixture f;
        drop(f, kGolden / "models/qwen2");
        QTRY_VERIFY(cardText(f).contains(QLatin1String("Qwen2")));
        f.find<QAbstractButton>("lora.targets.up_proj")->click();
        const QStringList chosen = checkedTargets(f);
        drop(f, kGolden / "models/gpt-neox");
        QTRY_COMPARE(offeredTargets(f), kNeoxTargets);
        f.window->findChild<ui::ConfigurePage*>()->draft().undo();
        QTRY_COMPARE(checkedTargets(f), chosen);
        QVERIFY(chosen.contains(QLatin1String("up_proj")));
    }

    void aFileOfAModelStandsForItsFolder()
    {
        WindowFixture f;
        drop(f, kGolden / "models/qwen3/model.safetensors");
        QTRY_VERIFY(cardText(f).contains(QLatin1String("Qwen3")));
    }

    void aFileInTheModelFieldIsOpenedAsWhatItIs()
    {
        WindowFixture f;
        f.click("railConfigure");
        auto* field = f.find<QLineEdit>("configureModel");
        field->setText(ui::pathText(kGolden / "models/qwen3/model.safetensors"));
        QTest::keyClick(field, Qt::Key_Return);
        QTRY_VERIFY(cardText(f).contains(QLatin1String("Qwen3")));
        QCOMPARE(field->text(), ui::pathText(kGolden / "models/qwen3"));
    }

    void recentAndCachedModelsAreListed()
    {
        WindowFixture f;
        const fs::path cache = f.folder.path() / "hub";
        const fs::path snapshot = cache / "models--plays--tiny/snapshots/0a1b";
        fs::create_directories(snapshot.parent_path());
        fs::copy(kGolden / "models/tiny-shakespeare", snapshot, fs::copy_options::recursive);
        fs::create_directories(cache / "models--plays--half/snapshots/0a1b");
        qputenv("HF_HUB_CACHE", cache.c_str());
        f.window->openPath(kGolden / "models/qwen2");
        // What was read without a problem is listed the next time.
        QTRY_VERIFY(action(f, "configureModelRecent0") != nullptr);
        QVERIFY(action(f, "configureModelRecent0")->text().startsWith(QLatin1String("qwen2: ")));
        QTRY_VERIFY(action(f, "configureModelCached1") != nullptr);
        QVERIFY(action(f, "configureModelCached0")->text().contains(QLatin1String("download")));
        const QString text = action(f, "configureModelCached1")->text();
        QVERIFY2(text.startsWith(QLatin1String("plays/tiny: Llama, ")), qPrintable(text));
        QVERIFY2(text.contains(QLatin1String("iB")), qPrintable(text));
        action(f, "configureModelCached1")->trigger();
        QTRY_COMPARE(chosenModel(f), snapshot.string());
        qputenv("HF_HUB_CACHE", "/nowhere");
    }

    void withoutRunsTheHeadingStaysAtTheTop()
    {
        WindowFixture f;
        f.click("railHome");
        const auto* none = f.find<QLabel>("homeNoRuns");
        QVERIFY(none->isVisible());
        QVERIFY2(none->mapTo(f.window.get(), QPoint()).y() < f.window->height() / 3,
                 "below the heading, not in the middle");
    }

    void aFolderOfACommonNameIsListedWithTheOneAroundIt()
    {
        WindowFixture f;
        f.window->openPath(f.demo() / "model");
        QTRY_VERIFY(action(f, "configureModelRecent0") != nullptr);
        QVERIFY(
            action(f, "configureModelRecent0")->text().startsWith(QLatin1String("demo/model: ")));
    }

    void anAdapterFindsItsBase()
    {
        WindowFixture f;
        const fs::path model = copiedModel(f, "qwen2");
        fs::create_directory(f.folder.path() / "adapter");
        writeFileAtomically(f.folder.path() / "adapter/adapter_config.json",
                            "{\"base_model_name_or_path\": \"qwen2\"}");
        drop(f, f.folder.path() / "adapter");
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Merge);
        QCOMPARE(f.find<QLineEdit>("mergeBase")->text(), ui::pathText(model));
    }

    void aGgufFileIsImportedAndChosen()
    {
        WindowFixture f;
        f.fakes.conversion.result = kGolden / "models/tiny-shakespeare";
        drop(f, someGguf(f));
        QTRY_VERIFY(f.find("importPanel")->isVisible());
        QCOMPARE(f.find<QLineEdit>("importOutput")->text(), ui::pathText(f.folder.path() / "tiny"));
        f.click("importStart");
        QTRY_COMPARE(chosenModel(f), (f.folder.path() / "tiny").string());
        QCOMPARE(f.fakes.conversion.requests.front().dtype, std::string("auto"));
        QVERIFY(!f.find("importPanel")->isVisible());
        QCOMPARE(f.window->currentPage(), ui::Page::Configure);
        QTRY_VERIFY(cardText(f).contains(QLatin1String("Llama")));
        // The next one goes beside it.
        drop(f, someGguf(f));
        QTRY_COMPARE(f.find<QLineEdit>("importOutput")->text(),
                     ui::pathText(f.folder.path() / "tiny-2"));
    }

    void aGgufFileMayBeNamedInTheModelField()
    {
        WindowFixture f;
        f.click("railConfigure");
        auto* field = f.find<QLineEdit>("configureModel");
        field->setText(ui::pathText(someGguf(f)));
        QTest::keyClick(field, Qt::Key_Return);
        QTRY_VERIFY(f.find("importPanel")->isVisible());
        QCOMPARE(field->text(), QString());
        QCOMPARE(chosenModel(f), std::string());
        f.click("importCancel");
        QVERIFY(!f.find("importPanel")->isVisible());
    }

    void anImportIsCancelledAndFailsWithoutMovingOn()
    {
        WindowFixture f;
        f.fakes.conversion.stall = true;
        drop(f, someGguf(f));
        QTRY_VERIFY(f.canClick("importStart"));
        f.click("importStart");
        QTRY_VERIFY(f.find("importProgress")->isVisible());
        drop(f, someGguf(f)); // one at a time
        QTRY_VERIFY(f.find("windowProblem")->isVisible());
        f.click("importCancel");
        QTRY_VERIFY(f.canClick("importStart"));
        QVERIFY(!f.find("importProgress")->isVisible());
        f.fakes.conversion.stall = false;
        f.fakes.conversion.failure = "tiny.gguf: the header is cut off";
        f.click("importStart");
        QTRY_VERIFY(f.find("importProblem")->isVisible());
        QVERIFY(f.find("importProblem")
                    ->accessibleDescription()
                    .contains(QLatin1String("the header is cut off")));
        QCOMPARE(chosenModel(f), std::string());
    }

    void whatCannotBeOpenedIsToldWithTheReason()
    {
        WindowFixture f;
        const auto refusal = [&f](const fs::path& path) {
            f.find("windowProblem")->hide();
            f.window->openPath(path);
            const bool isTold =
                QTest::qWaitFor([&f] { return f.find("windowProblem")->isVisible(); });
            return isTold ? f.find("windowProblem")->accessibleDescription() : QString();
        };
        QVERIFY(refusal(f.folder.path() / "none").contains(QLatin1String("no such file")));
        QVERIFY(refusal(kGolden / "tokenizer/smollm2").contains(QLatin1String("tokenizer")));
        writeFileAtomically(f.folder.path() / "w.safetensors", "x");
        QVERIFY(refusal(f.folder.path() / "w.safetensors")
                    .contains(QLatin1String("file of weights by itself")));
        writeFileAtomically(f.folder.path() / "a.docx", "PK\x03\x04");
        QVERIFY(refusal(f.folder.path() / "a.docx").contains(QLatin1String("GGUF file")));
    }

private:
    static QAction* action(const WindowFixture& f, const char* name)
    {
        return f.window->findChild<QAction*>(QLatin1String(name));
    }
};

QTEST_MAIN(ModelPageTest)
#include "model_page_test.moc"
