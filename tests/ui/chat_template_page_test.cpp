// SPDX-License-Identifier: GPL-3.0-or-later
// The chat page with a model that has a chat template.
#include "core/spec/base/atomic_file.h"
#include "core/spec/text/prompt_format.h"
#include "tests/ui/window_fixture.h"
#include "ui/widgets/token_gauge.h"

#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSpinBox>

using namespace longlora;
using test::WindowFixture;

namespace {

std::filesystem::path modelOf(const WindowFixture& f)
{
    return f.demo() / "model";
}

/// Gives the demo's model a published template, or `source`.
void giveTemplate(const WindowFixture& f, const char* name, const std::string& source = {})
{
    const std::filesystem::path golden =
        std::filesystem::path(LONGLORA_GOLDEN_DIR) / "templates" / name;
    writeFileAtomically(modelOf(f) / "chat_template.jinja",
                        source.empty() ? readWholeFile(golden, 1 << 20) : source);
}

void load(WindowFixture& f)
{
    f.click("railChat");
    auto* folder = f.find<QLineEdit>("chatModel");
    folder->setText(ui::pathText(modelOf(f)));
    QTest::keyClick(folder, Qt::Key_Return);
    QTRY_VERIFY(f.find<QLabel>("chatModelInfo")->text().contains(QLatin1String("parameters")));
}

void ask(WindowFixture& f, const char* question)
{
    QTest::keyClicks(f.find("chatInput"), QLatin1String(question));
    QTRY_VERIFY(f.canClick("chatSend"));
    f.click("chatSend");
}

QString bannerText(const WindowFixture& f)
{
    return f.find("chatProblem")->accessibleDescription();
}

} // namespace

class ChatTemplatePageTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void thePageSaysWhichTemplateWritesTheQuestion()
    {
        WindowFixture f;
        giveTemplate(f, "zephyr.jinja");
        load(f);
        const QString text = f.find<QLabel>("chatModelInfo")->text();
        QVERIFY2(text.contains(QLatin1String("chat template (Zephyr)")), qPrintable(text));
        QVERIFY(!text.contains(QLatin1String("base model")));
    }

    void thePreviewIsTheTemplatesText()
    {
        WindowFixture f;
        giveTemplate(f, "chatml.jinja");
        load(f);
        QTRY_VERIFY(f.find("chatSystem")->isEnabled());
        QTest::keyClicks(f.find("chatSystem"), QStringLiteral("Be brief."));
        QTest::keyClicks(f.find("chatInput"), QStringLiteral("Who?"));
        f.click("chatShowPrompt");
        QTRY_COMPARE(f.find<QPlainTextEdit>("chatPrompt")->toPlainText(),
                     QStringLiteral("<|im_start|>system\nBe brief.<|im_end|>\n"
                                    "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n"));
        QTRY_VERIFY(f.canClick("chatSend"));
        f.click("chatSend");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{1});
        const Conversation& sent = f.fakes.chat.requests.front().conversation;
        QCOMPARE(sent.system, std::string("Be brief."));
        QCOMPARE(sent.question, std::string("Who?"));
    }

    void theGaugeCountsWhatIsSent()
    {
        WindowFixture f;
        giveTemplate(f, "llama2.jinja");
        load(f);
        f.window->openPath(f.demo() / "story.txt");
        ask(f, "Who?");
        QTRY_VERIFY(f.canClick("chatRegenerate"));
        ask(f, "And then?");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{2});
        const Conversation& sent = f.fakes.chat.requests.back().conversation;
        QCOMPARE(sent.documents.size(), std::size_t{1});
        QCOMPARE(sent.turns.size(), std::size_t{1});
        const PromptFormat format = PromptFormat::read(modelOf(f));
        const auto tokenizer = loadTokenizer(modelOf(f));
        const auto ids = format.encode(format.write(sent), *tokenizer);
        // What was counted for this very question, before it was sent.
        const ui::TokenBudget& budget = f.find<ui::TokenGauge>("chatGauge")->budget();
        QTRY_VERIFY(f.canClick("chatRegenerate"));
        QVERIFY(budget.document > 0);
        QVERIFY(budget.history > 0);
        f.click("chatRegenerate");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{3});
        QCOMPARE(budget.document + budget.history + budget.question,
                 static_cast<std::int64_t>(ids.size()));
    }

    void aBaseModelIsToldNoSystemPrompt()
    {
        WindowFixture f;
        load(f);
        QTRY_VERIFY(!f.find("chatSystem")->isEnabled());
        ask(f, "Once upon");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{1});
        QCOMPARE(f.fakes.chat.requests.front().conversation.system, std::string());
    }

    void aBrokenTemplateIsToldOnThePage()
    {
        WindowFixture f;
        giveTemplate(f, "", "{% for %}");
        load(f);
        const QString text = f.find<QLabel>("chatModelInfo")->text();
        QVERIFY2(text.contains(QLatin1String("cannot be used")), qPrintable(text));
        QVERIFY2(text.contains(QLatin1String("chat_template.jinja")), qPrintable(text));
        ask(f, "Once upon");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{1});
    }

    void aTemplateThatRefusesIsOneLineAndNothingIsSent()
    {
        WindowFixture f;
        giveTemplate(f, "gemma.jinja"); // takes no system prompt
        load(f);
        QTRY_VERIFY(f.find("chatSystem")->isEnabled());
        QTest::keyClicks(f.find("chatSystem"), QStringLiteral("Be brief."));
        ask(f, "Who?");
        QTRY_VERIFY(f.find("chatProblem")->isVisible());
        QVERIFY2(bannerText(f).contains(QLatin1String("System role not supported")),
                 qPrintable(bannerText(f)));
        QVERIFY(f.fakes.chat.requests.empty());
        f.find<QPlainTextEdit>("chatSystem")->clear();
        QTRY_VERIFY(f.canClick("chatSend"));
        f.click("chatSend");
        QTRY_COMPARE(f.fakes.chat.requests.size(), std::size_t{1});
    }
};

QTEST_MAIN(ChatTemplatePageTest)
#include "chat_template_page_test.moc"
