// SPDX-License-Identifier: GPL-3.0-or-later
// The chat page's choice of how the model's memory of what it read is kept.
#include "tests/ui/window_fixture.h"

#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>

using namespace longlora;
using test::WindowFixture;

namespace {

void load(WindowFixture& f)
{
    f.click("railChat");
    auto* folder = f.find<QLineEdit>("chatModel");
    folder->setText(ui::pathText(f.demo() / "model"));
    QTest::keyClick(folder, Qt::Key_Return);
    QTRY_VERIFY(f.find<QLabel>("chatModelInfo")->text().contains(QLatin1String("parameters")));
}

/// As a user does by keyboard: the entry that begins so.
void choose(WindowFixture& f, const char* beginning)
{
    auto* box = f.find<QComboBox>("chatCache");
    QVERIFY(box->isEnabled());
    QTest::keyClick(box, Qt::Key_Home);
    for (int i = 1; i < box->count() && !box->currentText().startsWith(QLatin1String(beginning));
         ++i) {
        QTest::keyClick(box, Qt::Key_Down);
    }
    QVERIFY2(box->currentText().startsWith(QLatin1String(beginning)),
             qPrintable(box->currentText()));
}

QString chosen(const WindowFixture& f)
{
    return f.find<QComboBox>("chatCache")->currentText();
}

QString meaning(const WindowFixture& f)
{
    return f.find<QLabel>("chatCacheMeaning")->text();
}

} // namespace

class ChatCacheTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void beforeAModelIsLoadedThereAreNamesAndNoFigures()
    {
        WindowFixture f;
        f.click("railChat");
        QCOMPARE(chosen(f), QStringLiteral("In full"));
        QCOMPARE(f.find<QComboBox>("chatCache")->count(), 4);
        QVERIFY2(!meaning(f).contains(QLatin1String("iB")), qPrintable(meaning(f)));
        QVERIFY(f.fakes.chat.cacheFormats.empty());
    }

    void everyChoiceSaysWhatAThousandTokensTake()
    {
        WindowFixture f;
        load(f);
        const auto* box = f.find<QComboBox>("chatCache");
        for (std::size_t i = 0; i < kKvFormats; ++i) {
            const double bytes = 1000.0 * f.fakes.chat.model.cacheMemory[i].bytesPerToken;
            const QString text = box->itemText(static_cast<int>(i));
            QVERIFY2(text.contains(ui::bytesText(bytes)), qPrintable(text));
        }
    }

    void theWholeContextIsCountedWithTheNewestTokens()
    {
        WindowFixture f;
        load(f);
        choose(f, "In 4 bits");
        // 1 MiB for the newest tokens, and 512 tokens of 1,280 bytes.
        QVERIFY2(meaning(f).contains(ui::bytesText(1048576.0 + 512.0 * 1280.0)),
                 qPrintable(meaning(f)));
        QVERIFY2(meaning(f).contains(QLatin1String("512")), qPrintable(meaning(f)));
    }

    void theChoiceReachesTheModelOnce()
    {
        WindowFixture f;
        load(f);
        choose(f, "In 4 bits");
        QCOMPARE(f.fakes.chat.cacheFormats.back(), KvFormat::Int4);
        const std::size_t told = f.fakes.chat.cacheFormats.size();
        QTest::keyClick(f.find("chatCache"), Qt::Key_End); // it is the last one
        QCOMPARE(f.fakes.chat.cacheFormats.size(), told);
    }

    void theChoiceIsRememberedAndToldBeforeAModelIsLoaded()
    {
        WindowFixture f;
        f.click("railChat");
        choose(f, "In 8 bits");
        f.window.reset();
        f.fakes.chat.cacheFormats.clear();
        f.open();
        QCOMPARE(f.fakes.chat.cacheFormats, std::vector<KvFormat>{KvFormat::Int8});
        f.click("railChat");
        QVERIFY2(chosen(f).startsWith(QLatin1String("In 8 bits")), qPrintable(chosen(f)));
    }

    void aWordInTheSettingsThatIsNoFormatIsInFull()
    {
        WindowFixture f;
        f.window.reset();
        f.settings.setValue(QStringLiteral("cacheFormat"), QStringLiteral("int3"));
        f.open();
        f.click("railChat");
        QCOMPARE(chosen(f), QStringLiteral("In full"));
    }

    void whileTheModelAnswersTheChoiceWaits()
    {
        WindowFixture f;
        f.fakes.chat.answer.assign(200, "word ");
        load(f);
        QTest::keyClicks(f.find("chatInput"), QStringLiteral("Once"));
        QTRY_VERIFY(f.canClick("chatSend"));
        f.click("chatSend");
        QTRY_VERIFY(f.canClick("chatStop"));
        QVERIFY(!f.find("chatCache")->isEnabled());
        f.click("chatStop");
        QTRY_VERIFY(f.find("chatCache")->isEnabled());
    }
};

QTEST_MAIN(ChatCacheTest)
#include "chat_cache_test.moc"
