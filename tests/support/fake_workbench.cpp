// SPDX-License-Identifier: GPL-3.0-or-later
// The window on scripted services: for working on the window without LibTorch.
//   fake_workbench [--theme light|dark] [--size WxH] [--text PERCENT] [--screenshots FOLDER]
//                  [--real MODEL]
// With --screenshots it walks through all pages, saves a picture of each and ends.

#include "core/spec/base/atomic_file.h"
#include "tests/support/fake_services.h"
#include "tests/support/temporary_folder.h"
#include "ui/main_window.h"
#include "ui/pages/chat_page.h"
#include "ui/text_format.h"

#include <QAbstractButton>
#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QCommandLineParser>
#include <QDir>
#include <QScrollArea>
#include <QScrollBar>
#include <QSettings>
#include <QTimer>

#include <functional>

using namespace longlora;

namespace {

/// One click or look after the other, with pauses in which the window settles.
class Walk : public QObject {
public:
    Walk(ui::MainWindow& window, QString folder)
        : m_window(window)
        , m_folder(std::move(folder))
    {
        connect(&m_timer, &QTimer::timeout, this, [this] { next(); });
    }
    void then(std::function<void()> step) { m_steps.append(std::move(step)); }
    void click(const char* objectName)
    {
        then([this, objectName] {
            m_window.findChild<QAbstractButton*>(QLatin1String(objectName))->click();
        });
    }
    void picture(const QString& name)
    {
        then(
            [this, name] { m_window.grab().save(m_folder + u'/' + name + QLatin1String(".png")); });
    }
    void start() { m_timer.start(700); }

private:
    void next()
    {
        if (m_steps.isEmpty()) {
            QApplication::quit();
            return;
        }
        m_steps.takeFirst()();
    }

    ui::MainWindow& m_window;
    QString m_folder;
    QTimer m_timer;
    QList<std::function<void()>> m_steps;
};

void scrollForm(ui::MainWindow& window, double part)
{
    QScrollBar* bar =
        window.findChild<QScrollArea*>(QStringLiteral("configureForm"))->verticalScrollBar();
    bar->setValue(static_cast<int>(part * bar->maximum()));
}

/// The model card of whole, broken and real models; an import; a chat with a template.
void planModelWalk(Walk& walk, ui::MainWindow& window, test::FakeServices& fakes,
                   const std::filesystem::path& folder, const std::filesystem::path& real)
{
    const std::filesystem::path golden = LONGLORA_GOLDEN_DIR;
    const auto card = [&walk, &window](const std::filesystem::path& model, const char* name) {
        walk.then([&window, model] { window.openPath(model); });
        walk.then([] {});
        walk.then([] {});
        walk.picture(QLatin1String("7-card-") + QLatin1String(name));
    };
    card(golden / "models/llama-gqa-llama3", "llama3");
    card(golden / "models/qwen3", "qwen3");
    card(golden / "models/gpt-neox", "neox");
    const std::filesystem::path broken = folder / "broken";
    std::filesystem::copy(golden / "models/llama-gqa-llama3", broken);
    std::filesystem::remove(broken / "model-00003-of-00005.safetensors");
    card(broken, "broken");
    if (!real.empty()) {
        card(real, "real");
    }
    const std::filesystem::path gguf = folder / "tiny-model-q8_0.gguf";
    writeFileAtomically(gguf, "GGUF");
    card(gguf, "import");
    fakes.conversion.stall = true;
    walk.click("importStart");
    walk.picture(QStringLiteral("7-importing"));
    walk.click("importCancel");
    walk.click("importCancel");
    card(golden / "tokenizer/smollm2", "refused");
    const std::filesystem::path chat = folder / "chat-model";
    std::filesystem::copy(golden / "models/tiny-shakespeare", chat);
    std::filesystem::copy(golden / "templates/zephyr.jinja", chat / "chat_template.jinja");
    walk.then([&window, chat] {
        window.showPage(ui::Page::Chat);
        window.findChild<ui::ChatPage*>()->loadModel(ui::pathText(chat));
        window.findChild<ui::ChatPage*>()->setNote({});
        window.findChild<ui::ChatPage*>()->setQuestion(QStringLiteral("Who holds the key?"));
    });
    walk.then([] {});
    walk.picture(QStringLiteral("8-chat-template"));
    walk.click("chatSend");
    walk.then([] {});
    walk.picture(QStringLiteral("8-chat-answered"));
    walk.then(
        [&window] { window.findChild<ui::ChatPage*>()->session().keepCacheIn(KvFormat::Int4); });
    walk.picture(QStringLiteral("8-chat-cache"));
}

void planWalk(Walk& walk, ui::MainWindow& window, test::FakeServices& fakes)
{
    walk.picture(QStringLiteral("1-home-empty"));
    walk.click("railMonitor");
    walk.picture(QStringLiteral("1-monitor-empty"));
    walk.click("railConfigure");
    walk.picture(QStringLiteral("1-configure-empty"));
    walk.click("railChat");
    walk.picture(QStringLiteral("1-chat-empty"));
    walk.click("homeTryDemo");
    walk.then([] {});
    walk.picture(QStringLiteral("2-configure-top"));
    walk.then([&window] { scrollForm(window, 0.5); });
    walk.picture(QStringLiteral("2-configure-middle"));
    walk.click("configureDryRun");
    walk.then([&window] {
        window.findChild<QScrollArea*>(QStringLiteral("configureConsequences"))
            ->ensureWidgetVisible(
                window.findChild<QWidget*>(QStringLiteral("configureDryRunMeasured3")));
    });
    walk.picture(QStringLiteral("2-configure-dry-run"));
    walk.then([&window] { scrollForm(window, 1.0); });
    walk.picture(QStringLiteral("2-configure-bottom"));
    walk.click("configureStart");
    walk.then([&fakes] { fakes.training.advance(45); });
    walk.picture(QStringLiteral("3-monitor-running"));
    walk.click("monitorHold");
    walk.picture(QStringLiteral("3-monitor-holding"));
    walk.then([&fakes] { fakes.training.advance(); });
    walk.click("monitorResume");
    walk.then([&fakes] { fakes.training.finish(); });
    walk.picture(QStringLiteral("3-monitor-finished"));
    walk.click("monitorMerge");
    walk.picture(QStringLiteral("4-merge-form"));
    walk.click("mergeStart");
    walk.then([] {});
    walk.picture(QStringLiteral("4-merge-proof"));
    walk.click("mergeChat");
    walk.then([] {});
    walk.click("chatShowPrompt");
    walk.picture(QStringLiteral("5-chat-ready"));
    walk.click("chatSend");
    walk.then([] {});
    walk.picture(QStringLiteral("5-chat-answered"));
    walk.click("railRuns");
    walk.picture(QStringLiteral("6-runs"));
    walk.click("railHome");
    walk.picture(QStringLiteral("6-home"));
}

/// The plan of presets on other devices, what does not fit, and a click on a cell.
void planPlanWalk(Walk& walk, ui::MainWindow& window)
{
    const auto preset = [&walk, &window](const char* name, const char* device) {
        walk.then([&window, name] {
            window.showPage(ui::Page::Home);
            window.findChild<QAction*>(QLatin1String("homePreset-") + QLatin1String(name))
                ->trigger();
        });
        walk.then([&window, device] {
            auto* devices = window.findChild<QComboBox*>(QStringLiteral("configurePlanDevice"));
            devices->setCurrentIndex(devices->findText(QLatin1String(device), Qt::MatchContains));
            scrollForm(window, 0.0);
        });
    };
    const auto consequences = [&walk, &window](double part) {
        walk.then([&window, part] {
            QScrollBar* bar =
                window.findChild<QScrollArea*>(QStringLiteral("configureConsequences"))
                    ->verticalScrollBar();
            bar->setValue(static_cast<int>(part * bar->maximum()));
        });
    };
    preset("paper-7b-100k", "A100 80GB");
    walk.picture(QStringLiteral("9-plan-paper"));
    consequences(0.5);
    walk.picture(QStringLiteral("9-plan-paper-middle"));
    consequences(1.0);
    walk.picture(QStringLiteral("9-plan-paper-bottom"));
    preset("single-80gb-7b-100k", "RTX 4090");
    consequences(0.22);
    walk.picture(QStringLiteral("9-plan-refused"));
    walk.click("configureAlternative0");
    walk.picture(QStringLiteral("9-plan-alternative"));
    consequences(1.0);
    walk.picture(QStringLiteral("9-plan-alternative-bottom"));
}

} // namespace

int main(int argc, char** argv)
{
    QApplication application(argc, argv);
    QCommandLineParser options;
    options.addOption({QStringLiteral("theme"), QStringLiteral("light or dark"),
                       QStringLiteral("theme"), QStringLiteral("light")});
    options.addOption({QStringLiteral("size"), QStringLiteral("of the window"),
                       QStringLiteral("WxH"), QStringLiteral("1280x800")});
    options.addOption({QStringLiteral("text"), QStringLiteral("size of the text in percent"),
                       QStringLiteral("percent"), QStringLiteral("100")});
    options.addOption({QStringLiteral("screenshots"), QStringLiteral("save pictures here and end"),
                       QStringLiteral("folder")});
    options.addOption({QStringLiteral("real"), QStringLiteral("a model to show the card of"),
                       QStringLiteral("folder")});
    options.process(application);
    QFont font = QApplication::font();
    font.setPointSizeF(font.pointSizeF() * options.value(QStringLiteral("text")).toInt() / 100.0);
    QApplication::setFont(font);

    const test::TemporaryFolder folder;
    test::makeDemoFolder(folder.path() / "demo",
                         std::filesystem::path(LONGLORA_GOLDEN_DIR) / "models/tiny-shakespeare");
    QSettings settings(ui::pathText(folder.path() / "settings.ini"), QSettings::IniFormat);
    settings.setValue(QLatin1String("theme"), options.value(QStringLiteral("theme")));
    test::FakeServices fakes;
    test::FakeDryRun dryRun;

    ui::MainWindow window(fakes.services(),
                          {folder.path() / "demo", folder.path() / "runs", settings,
                           readPresets(LONGLORA_GOLDEN_DIR "/../../resources/presets"), &dryRun});
    const QStringList size = options.value(QStringLiteral("size")).split(u'x');
    window.resize(size.value(0).toInt(), size.value(1).toInt());
    window.show();

    Walk walk(window, options.value(QStringLiteral("screenshots")));
    QTimer pace;
    if (options.isSet(QStringLiteral("screenshots"))) {
        QDir().mkpath(options.value(QStringLiteral("screenshots")));
        planWalk(walk, window, fakes);
        planPlanWalk(walk, window);
        planModelWalk(walk, window, fakes, folder.path(),
                      options.value(QStringLiteral("real")).toStdString());
        walk.start();
    } else {
        QObject::connect(&pace, &QTimer::timeout, &window, [&fakes] { fakes.training.advance(); });
        pace.start(200);
    }
    return QApplication::exec();
}
