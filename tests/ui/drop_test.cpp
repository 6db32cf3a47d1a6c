// SPDX-License-Identifier: GPL-3.0-or-later
// Dropping paths: on every page, on every kind of field.
#include "core/spec/base/atomic_file.h"
#include "tests/ui/drop.h"
#include "tests/ui/window_fixture.h"
#include "ui/config/run_draft.h"
#include "ui/pages/configure_page.h"

#include <QLineEdit>
#include <QPlainTextEdit>
#include <QTableView>

using namespace longlora;
using test::dropOn;
using test::WindowFixture;

namespace fs = std::filesystem;

namespace {

const fs::path kGolden = LONGLORA_GOLDEN_DIR;

std::string chosenModel(const WindowFixture& f)
{
    return f.window->findChild<ui::ConfigurePage*>()->draft().config().model;
}

/// A folder that pathKindOf() takes for an adapter.
fs::path someAdapter(const WindowFixture& f)
{
    fs::create_directories(f.folder.path() / "adapter");
    writeFileAtomically(f.folder.path() / "adapter/adapter_config.json", "{}");
    return f.folder.path() / "adapter";
}

fs::path someGguf(const WindowFixture& f)
{
    writeFileAtomically(f.folder.path() / "tiny.gguf", "GGUF and more");
    return f.folder.path() / "tiny.gguf";
}

} // namespace

class DropTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { qputenv("HF_HUB_CACHE", "/nowhere"); }

    void whatIsDroppedOnAnyFieldIsOpenedNotTypedIn()
    {
        WindowFixture f;
        const std::pair<const char*, QList<QWidget*>> pages[] = {
            {"railHome", {f.find("homeTryDemo"), f.find("homeRecentRuns")}},
            {"railConfigure",
             {f.find("run_name"), f.find("context.length"), f.find("lora.alpha"),
              f.find("configurePlanItems"), f.find("configureDataTable")}},
            {"railMonitor", {f.find("monitorPlots"), f.find("monitorSmoothing")}},
            {"railChat",
             {f.find<QPlainTextEdit>("chatInput")->viewport(),
              f.find<QPlainTextEdit>("chatSystem")->viewport(), f.find("chatSeed")}},
            {"railRuns", {f.find("runsFilter"), f.find("runsTable")}},
        };
        const fs::path adapter = someAdapter(f);
        for (const auto& [rail, widgets] : pages) {
            for (QWidget* widget : widgets) {
                f.find<QLineEdit>("mergeAdapter")->clear();
                f.click(rail);
                // A spin box passes drags on to its line edit.
                auto* inner = widget->findChild<QLineEdit*>();
                QVERIFY(dropOn(inner != nullptr ? inner : widget, adapter));
                QTRY_COMPARE(f.window->currentPage(), ui::Page::Merge);
                QCOMPARE(f.find<QLineEdit>("mergeAdapter")->text(), ui::pathText(adapter));
            }
        }
        QVERIFY(f.find<QPlainTextEdit>("chatInput")->toPlainText().isEmpty());
        QVERIFY(f.find<QLineEdit>("runsFilter")->text().isEmpty());
    }

    void dataDroppedOnTheDataIsTaken()
    {
        WindowFixture f;
        QVERIFY(dropOn(f.window.get(), f.demo() / "model"));
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Configure);
        auto* table = f.find<QTableView>("configureDataTable");
        QVERIFY(dropOn(table, f.demo() / "book.txt"));
        QTRY_COMPARE(table->model()->rowCount(), 1);
        QVERIFY(dropOn(table, kGolden / "models/qwen2"));
        QTRY_COMPARE(chosenModel(f), (kGolden / "models/qwen2").string());
        QCOMPARE(table->model()->rowCount(), 1);
    }

    void theOpenPageTakesAModelIfItHasAPlaceForOne()
    {
        WindowFixture f;
        const fs::path model = kGolden / "models/tiny-shakespeare";
        f.click("railChat");
        QVERIFY(dropOn(f.window.get(), model));
        QTRY_COMPARE(f.find<QLineEdit>("chatModel")->text(), ui::pathText(model));
        QCOMPARE(f.window->currentPage(), ui::Page::Chat);
        f.fakes.conversion.result = model;
        f.click("railMerge");
        QVERIFY(dropOn(f.window.get(), someGguf(f)));
        QTRY_VERIFY(f.canClick("importStart"));
        f.click("importStart");
        QTRY_COMPARE(f.find<QLineEdit>("mergeBase")->text(),
                     ui::pathText(f.folder.path() / "tiny"));
        QCOMPARE(f.window->currentPage(), ui::Page::Merge);
        QCOMPARE(chosenModel(f), std::string());
        f.click("railRuns");
        QVERIFY(dropOn(f.window.get(), model));
        QTRY_COMPARE(f.window->currentPage(), ui::Page::Configure);
    }

    void aMergeUnderWayKeepsItsForm()
    {
        WindowFixture f;
        const fs::path first = someAdapter(f);
        f.click("railMerge");
        QVERIFY(dropOn(f.window.get(), kGolden / "models/qwen2"));
        QTRY_VERIFY(!f.find<QLineEdit>("mergeBase")->text().isEmpty());
        QVERIFY(dropOn(f.window.get(), first));
        QTRY_VERIFY(f.canClick("mergeStart"));
        f.fakes.merge.stall = true;
        f.click("mergeStart");
        QTRY_VERIFY(f.find("mergeProgress")->isVisible());
        fs::create_directory(f.folder.path() / "other");
        writeFileAtomically(f.folder.path() / "other/adapter_config.json", "{}");
        QVERIFY(dropOn(f.window.get(), f.folder.path() / "other"));
        QTRY_VERIFY(f.find("windowProblem")->isVisible());
        QCOMPARE(f.find<QLineEdit>("mergeAdapter")->text(), ui::pathText(first));
        f.fakes.merge.stall = false;
        f.click("mergeCancel");
        QTRY_VERIFY(!f.find("mergeProgress")->isVisible());
    }
};

QTEST_MAIN(DropTest)
#include "drop_test.moc"
