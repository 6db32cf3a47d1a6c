// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/data/dataset.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

using test::messageOf;
using test::TemporaryFolder;

class Dataset : public testing::Test {
protected:
    std::vector<TokenDocument> read(const std::filesystem::path& file,
                                    DataFormat format = DataFormat::Auto) const
    {
        return readDocuments(file, format, m_tokenizer.get(), 512, {});
    }
    template <class Kind>
    void expectRefused(const std::string& name, const std::string& content,
                       const std::string& part) const
    {
        const std::string message = messageOf<Kind>([&] { read(m_folder.write(name, content)); });
        EXPECT_NE(message.find(part), std::string::npos) << content << "\n" << message;
        EXPECT_NE(message.find(name), std::string::npos) << message;
    }
    std::vector<TokenId> idsOf(const std::string& text) const
    {
        std::vector<TokenId> ids = m_tokenizer->encode(text, true);
        ids.push_back(2);
        return ids;
    }

    std::unique_ptr<Tokenizer> m_tokenizer =
        loadTokenizer(LONGLORA_GOLDEN_DIR "/tokenizer/tiny-spm");
    TemporaryFolder m_folder;
};

TEST_F(Dataset, ATextIsOneDocumentBetweenBosAndEos)
{
    const auto file = m_folder.write("a.txt", "To be,\nor not to be.\n");
    const std::vector<TokenDocument> documents = read(file);
    ASSERT_EQ(documents.size(), 1U);
    EXPECT_EQ(documents[0].ids, idsOf("To be,\nor not to be.\n"));
    EXPECT_EQ(documents[0].ids.front(), 1);
    EXPECT_TRUE(documents[0].labels.empty());
    EXPECT_FALSE(documents[0].isWholeRow);
    EXPECT_EQ(documents[0].source, file.string());
}

TEST_F(Dataset, BomAndCarriageReturnsOfLineEndsAreRemoved)
{
    const auto file = m_folder.write("a.MD", "\xEF\xBB\xBF"
                                             "one\r\ntwo\rthree\r\n");
    EXPECT_EQ(read(file)[0].ids, idsOf("one\ntwo\rthree\n"));
}

TEST_F(Dataset, ABadByteIsNamedByItsOffset)
{
    expectRefused<FormatError>("a.txt",
                               "abc\xFF"
                               "def",
                               "offset 3: byte 0xFF is not UTF-8");
    expectRefused<FormatError>("b.txt", "abcd\xE4\xBD", "offset 4");
    expectRefused<FormatError>("c.txt", "\xC0\x80", "offset 0");     // overlong
    expectRefused<FormatError>("d.txt", "\xED\xA0\x80", "offset 0"); // surrogate
    expectRefused<FormatError>("e.txt",
                               std::string("\xFF\xFE"
                                           "a\0",
                                           4),
                               "UTF-16");
    expectRefused<FormatError>("f.txt", std::string("ab\0cd", 5), "offset 2: there is a NUL");
}

TEST_F(Dataset, EmptyFilesAreRefused)
{
    for (const char* name : {"a.txt", "a.md", "a.jsonl", "a.bin"}) {
        expectRefused<DataError>(name, "", "is empty");
    }
    expectRefused<DataError>("b.txt", "\xEF\xBB\xBF", "is empty");
    expectRefused<DataError>("b.jsonl", "\n \n", "is empty");
}

TEST_F(Dataset, AbsentFilesAreNamed)
{
    for (const char* name : {"absent.txt", "absent.jsonl", "absent.bin"}) {
        const auto file = m_folder.path() / name;
        const std::string message = messageOf<DataError>([&] { read(file); });
        EXPECT_NE(message.find(file.string()), std::string::npos) << message;
        EXPECT_NE(message.find("No such file"), std::string::npos) << message;
    }
}

TEST_F(Dataset, UnknownExtensionsNameTheKnownOnes)
{
    expectRefused<DataError>("a.pdf", "%PDF", ".txt, .md, .jsonl and .bin");
    expectRefused<DataError>("a.epub", "PK", "Convert the .epub file to text");
    expectRefused<DataError>("a.xyz", "?", "data.format");
    expectRefused<DataError>("noextension", "?", "data.format");
    const auto file = m_folder.write("b.xyz", "abc");
    EXPECT_EQ(read(file, DataFormat::Text)[0].ids, idsOf("abc"));
}

TEST_F(Dataset, EachLineOfJsonlIsADocument)
{
    const auto file =
        m_folder.write("a.jsonl", "\xEF\xBB\xBF"
                                  R"({"text": "one\ntwo", "source": {"x": [1]}})"
                                  "\r\n\n"
                                  R"({"input_ids": [5, 6, 7], "labels": [-100, 6, 7]})"
                                  "\n"
                                  R"({"input_ids": [8], "labels": null})");
    const std::vector<TokenDocument> documents = read(file);
    ASSERT_EQ(documents.size(), 3U);
    EXPECT_EQ(documents[0].ids, idsOf("one\ntwo"));
    EXPECT_EQ(documents[1].ids, (std::vector<TokenId>{5, 6, 7}));
    EXPECT_EQ(documents[1].labels, (std::vector<std::int64_t>{-100, 6, 7}));
    EXPECT_TRUE(documents[1].isWholeRow);
    EXPECT_EQ(documents[2].ids, std::vector<TokenId>{8});
    EXPECT_TRUE(documents[2].labels.empty());
    EXPECT_EQ(documents[1].source, file.string() + ", line 3");
}

TEST_F(Dataset, ABadLineIsNamedByItsNumber)
{
    const std::string good = R"({"text": "fine"})"
                             "\n";
    for (const auto& [line, part] : std::vector<std::pair<std::string, std::string>>{
             {"{\"text\": \"x", "not valid JSON"},
             {"{\"text\": \"x\"} trailing", "not valid JSON"},
             {"[1, 2]", "not a JSON object"},
             {"{}", "neither"},
             {R"({"messages": []})", "neither"},
             {R"({"text": "x", "input_ids": [1]})", "both"},
             {R"({"text": "x", "text": "y"})", "twice"},
             {R"({"text": ""})", "empty"},
             {R"({"text": 7})", "not a string"},
             {R"({"input_ids": []})", "empty"},
             {R"({"input_ids": 5})", "not an array"},
             {R"({"input_ids": [1.5]})", "not an integer"},
             {R"({"input_ids": ["1"]})", "not an integer"},
             {R"({"input_ids": [512]})", "512, which is outside the vocabulary of 512"},
             {R"({"input_ids": [-1]})", "outside"},
             {R"({"input_ids": [18446744073709551615]})", "18446744073709551615"},
             {R"({"input_ids": [1, 2], "labels": [1]})", "1 labels for 2 input_ids"},
             {R"({"input_ids": [1], "labels": [-99]})", "outside"},
             {R"({"input_ids": [1], "labels": [512]})", "outside"},
             {R"({"text": "\ud800"})", "not valid JSON"},
             {"{\"text\": \"\xFF\"}", "not valid JSON"},
             {std::string(1000, '['), "nested"}}) {
        expectRefused<FormatError>("bad.jsonl", good + good + line + "\n" + good, "line 3");
        expectRefused<FormatError>("bad.jsonl", good + good + line + "\n" + good, part);
    }
}

TEST_F(Dataset, AnEndlessLineIsRefused)
{
    expectRefused<FormatError>("a.jsonl", "{}\n" + std::string(65U << 20, ' '), "line 1");
    expectRefused<FormatError>("b.jsonl", std::string(65U << 20, ' '), "longer than 64 MB");
}

TEST_F(Dataset, ATokenFileIsOneDocumentAsItIs)
{
    const std::vector<TokenDocument> documents =
        read(m_folder.write("a.bin", std::string("\x05\0\x01\x01", 4)));
    ASSERT_EQ(documents.size(), 1U);
    EXPECT_EQ(documents[0].ids, (std::vector<TokenId>{5, 257}));
}

TEST_F(Dataset, AFolderIsItsDataFilesInOrder)
{
    m_folder.write("b.txt", "second");
    m_folder.write("a.md", "first");
    m_folder.write("c.jsonl", R"({"input_ids": [9]})");
    m_folder.write("d.pdf", "other");
    m_folder.write("e.bin", "not tokens");
    const std::vector<TokenDocument> documents = read(m_folder.path());
    ASSERT_EQ(documents.size(), 3U);
    EXPECT_EQ(documents[0].ids, idsOf("first"));
    EXPECT_EQ(documents[1].ids, idsOf("second"));
    EXPECT_EQ(documents[2].ids, std::vector<TokenId>{9});
    EXPECT_EQ(read(m_folder.path(), DataFormat::Text).size(), 1U);
    const TemporaryFolder empty;
    EXPECT_NE(messageOf<DataError>([&] { read(empty.path()); }).find("holds no"),
              std::string::npos);
}

TEST_F(Dataset, TextNeedsATokenizerAndReadyIdsDoNot)
{
    const auto ids = m_folder.write("a.jsonl", R"({"input_ids": [1, 2]})");
    EXPECT_EQ(readDocuments(ids, DataFormat::Auto, nullptr, 512, {}).size(), 1U);
    const auto text = m_folder.write("b.txt", "words");
    EXPECT_NE(messageOf<DataError>([&] {
                  readDocuments(text, DataFormat::Auto, nullptr, 512, {});
              }).find("no tokenizer"),
              std::string::npos);
}

TEST_F(Dataset, ATokenizerLargerThanTheModelIsRefused)
{
    const auto file = m_folder.write("a.txt", "words and more words");
    const std::string message = messageOf<DataError>(
        [&] { readDocuments(file, DataFormat::Auto, m_tokenizer.get(), 100, {}); });
    EXPECT_NE(message.find("100 embeddings"), std::string::npos) << message;
}

TEST_F(Dataset, ProgressCountsBytesAndCancels)
{
    std::string lines;
    for (int i = 0; i < 10; ++i) {
        lines += "{\"input_ids\": [1]}\n";
    }
    const auto file = m_folder.write("a.jsonl", lines);
    std::int64_t last = -1;
    readDocuments(file, DataFormat::Auto, nullptr, 512, [&](const Progress& progress) {
        EXPECT_GE(progress.done, last);
        last = progress.done;
        EXPECT_EQ(progress.total, static_cast<std::int64_t>(lines.size()));
        return true;
    });
    EXPECT_EQ(last, static_cast<std::int64_t>(lines.size()));
    int calls = 0;
    EXPECT_THROW(readDocuments(file, DataFormat::Auto, nullptr, 512,
                               [&](const Progress&) { return ++calls < 3; }),
                 Cancelled);
    EXPECT_EQ(calls, 3);
}

TEST_F(Dataset, ASummaryTellsProblemsInsteadOfThrowing)
{
    const auto good = m_folder.write("a.jsonl", "{\"input_ids\": [1, 2]}\n{\"input_ids\": [3]}\n");
    const DataFileSummary summary =
        summarizeDataFile(good, DataFormat::Auto, m_tokenizer.get(), 512, {});
    EXPECT_EQ(summary.documents, 2);
    EXPECT_EQ(summary.tokens, 3);
    EXPECT_EQ(summary.documentLengths, (std::vector<std::int64_t>{2, 1}));
    EXPECT_EQ(summary.problem, "");
    const auto bad = m_folder.write("b.txt", "\xFF");
    EXPECT_NE(summarizeDataFile(bad, DataFormat::Auto, m_tokenizer.get(), 512, {})
                  .problem.find("not UTF-8"),
              std::string::npos);
}

} // namespace
} // namespace longlora
