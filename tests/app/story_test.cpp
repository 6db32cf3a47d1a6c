// SPDX-License-Identifier: GPL-3.0-or-later
// The whole story in the real window over the real engine, by mouse and keyboard.
#include "app/commands/processor.h"
#include "app/conversion_service.h"
#include "app/device_service.h"
#include "app/in_process_training.h"
#include "app/merge_service.h"
#include "core/engine/infer/chat_session.h"
#include "core/spec/run/run_list.h"
#include "tests/app/event_loop_probe.h"
#include "ui/main_window.h"

#include <QAbstractButton>
#include <QAbstractSpinBox>
#include <QLabel>
#include <QPlainTextEdit>
#include <QSettings>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace longlora::test {

/// The real chat; counts the pieces in which answers come.
class CountedChat : public ChatService {
public:
    void load(const std::filesystem::path& folder) override { m_chat->load(folder); }
    void keepCacheIn(KvFormat format) override { m_chat->keepCacheIn(format); }
    void ask(const ChatRequest& request) override { m_chat->ask(request); }
    void cancel() override { m_chat->cancel(); }
    void unload() override { m_chat->unload(); }
    std::vector<ChatEvent> drain() override
    {
        std::vector<ChatEvent> events = m_chat->drain();
        pieces += std::count_if(events.begin(), events.end(), [](const ChatEvent& event) {
            return std::holds_alternative<ChatText>(event);
        });
        return events;
    }

    std::int64_t pieces = 0;

private:
    std::unique_ptr<ChatService> m_chat = makeChatSession();
};

class StoryTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void fromTheToursFirstStepToAStreamedAnswer();

private:
    template <class Widget = QWidget>
    Widget* find(const char* name) const
    {
        return m_window->findChild<Widget*>(QLatin1String(name));
    }
    bool isReady(const char* name) const
    {
        const auto* widget = find(name);
        return widget != nullptr && widget->isVisible() && widget->isEnabled();
    }
    void click(const char* name) const { QTest::mouseClick(find(name), Qt::LeftButton); }
    /// Text of a label or button.
    QString text(const char* name) const
    {
        const auto* widget = find(name);
        return widget == nullptr ? QString() : widget->property("text").toString();
    }
    void keepPicture(const char* name) const;

    void configure();
    void trainAndWatch();
    void merge();
    void chat(const CountedChat& service);

    QTemporaryDir m_folder;
    ui::MainWindow* m_window = nullptr;
};

namespace {

constexpr int kSeconds = 1000; // in milliseconds
constexpr int kLongest = 300 * kSeconds;
constexpr int kSteps = 8;

} // namespace

void StoryTest::initTestCase()
{
    app::prepareProcessor();
    QVERIFY(m_folder.isValid());
}

/// For people to look at, beside the test program.
void StoryTest::keepPicture(const char* name) const
{
    m_window->grab().save(QCoreApplication::applicationDirPath() + QLatin1String("/story-") +
                          QLatin1String(name) + QLatin1String(".png"));
}

void StoryTest::configure()
{
    click("homeTryDemo");
    QTRY_VERIFY(isReady("tourPanel"));
    QTRY_VERIFY_WITH_TIMEOUT(isReady("configureStart"), kLongest);
    auto* steps = find<QAbstractSpinBox>("schedule.steps");
    QVERIFY(steps != nullptr);
    steps->setFocus();
    steps->selectAll();
    QTest::keyClicks(steps, QString::number(kSteps));
    QTest::keyClick(steps, Qt::Key_Tab);
    QTRY_VERIFY(isReady("configureStart"));
    keepPicture("configure");
}

void StoryTest::trainAndWatch()
{
    click("tourNext");
    QTRY_VERIFY_WITH_TIMEOUT(isReady("monitorHold"), kLongest);
    EventLoopProbe probe;
    click("monitorHold");
    QTRY_VERIFY_WITH_TIMEOUT(isReady("monitorResume"), kLongest);
    click("monitorResume");
    QTRY_VERIFY_WITH_TIMEOUT(isReady("monitorMerge"), kLongest);
    qInfo("while training: longest time between two events of the window %.0f ms, of which the "
          "window itself worked at most %.0f ms",
          probe.longestWallSeconds() * 1e3, probe.longestWorkSeconds() * 1e3);
    // Work of the window's own thread: how busy the machine is does not matter.
    QVERIFY(probe.longestWorkSeconds() < 0.1);
    QCOMPARE(text("monitorState"), QStringLiteral("Completed"));
    keepPicture("monitor");

    const std::vector<RunSummary> runs =
        listRuns(std::filesystem::path(m_folder.path().toStdString()) / "runs");
    QCOMPARE(runs.size(), std::size_t{1});
    QCOMPARE(runs.front().steps, std::int64_t{kSteps});
    QVERIFY(runs.front().outcome == RunOutcome::Completed);
}

void StoryTest::merge()
{
    click("monitorMerge");
    QTRY_VERIFY(isReady("mergeStart"));
    click("mergeStart");
    QTRY_VERIFY_WITH_TIMEOUT(isReady("mergeChat"), kLongest);
    QVERIFY2(text("mergeVerdict").startsWith(QLatin1String("Verified")),
             qPrintable(text("mergeVerdict")));
    keepPicture("merge");
}

void StoryTest::chat(const CountedChat& service)
{
    click("mergeChat");
    QTRY_VERIFY_WITH_TIMEOUT(isReady("chatSend"), kLongest);
    QTRY_VERIFY(!find<QPlainTextEdit>("chatInput")->toPlainText().isEmpty());
    click("tourNext");
    QTRY_VERIFY_WITH_TIMEOUT(text("tourTitle").startsWith(QLatin1String("Done")), kLongest);
    QVERIFY(!text("chatAnswer0").isEmpty());
    QVERIFY(service.pieces > 1);
    qInfo("%s",
          qPrintable(text("tourTitle") + QLatin1String("; the answer was:") + text("chatAnswer0")));
    keepPicture("chat");
}

void StoryTest::fromTheToursFirstStepToAStreamedAnswer()
{
    const std::filesystem::path folder(m_folder.path().toStdString());
    QSettings settings(m_folder.filePath(QStringLiteral("settings.ini")), QSettings::IniFormat);
    const auto training = app::makeInProcessTraining();
    CountedChat counted;
    const auto merging = app::makeMergeService();
    const auto device = app::makeDeviceService();
    const auto conversion = app::makeConversionService();
    const Services services{*training, counted, *merging, *device, *conversion};
    const ui::Environment environment{LONGLORA_SOURCE_DIR "/resources/demo", folder / "runs",
                                      settings};
    ui::MainWindow window(services, environment);
    m_window = &window;
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));

    configure();
    if (!QTest::currentTestFailed()) {
        trainAndWatch();
    }
    if (!QTest::currentTestFailed()) {
        merge();
    }
    if (!QTest::currentTestFailed()) {
        chat(counted);
    }
    training->stopAndWait();
}

} // namespace longlora::test

QTEST_MAIN(longlora::test::StoryTest)
#include "story_test.moc"
