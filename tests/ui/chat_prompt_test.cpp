// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/chat_prompt.h"

#include <QTest>

using namespace longlora::ui;

class ChatPromptTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void partsAreJoinedByBlankLinesAndNothingElse()
    {
        const ChatPrompt prompt = makePrompt({{"a.txt", "First text.\n"}, {"b.txt", "Second."}},
                                             {{"The key is", " 7."}, {"And", " 8."}}, "The sum is");
        QCOMPARE(prompt.documents, std::string("First text.\n\n\nSecond.\n\n"));
        QCOMPARE(prompt.history, std::string("The key is 7.\n\nAnd 8.\n\n"));
        QCOMPARE(prompt.whole(), prompt.documents + prompt.history + "The sum is");
    }

    void aQuestionAloneIsThePrompt()
    {
        QCOMPARE(makePrompt({}, {}, "Once upon").whole(), std::string("Once upon"));
    }
};

QTEST_APPLESS_MAIN(ChatPromptTest)
#include "chat_prompt_test.moc"
