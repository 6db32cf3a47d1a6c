// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/data/packing.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace longlora {
namespace {

constexpr TokenId kPadding = 0;

/// `count` tokens that are found nowhere else: first, first + 1, ...
TokenDocument document(TokenId first, std::size_t count)
{
    TokenDocument made;
    made.ids.resize(count);
    std::iota(made.ids.begin(), made.ids.end(), first);
    return made;
}

std::vector<TokenDocument> randomDocuments(std::mt19937& random, std::size_t longest)
{
    std::vector<TokenDocument> documents;
    TokenId next = 1;
    for (auto count = 1 + random() % 40; count > 0; --count) {
        documents.push_back(document(next, 1 + random() % longest));
        next += static_cast<TokenId>(documents.back().ids.size());
    }
    return documents;
}

/// What holds for every row, however it was packed.
void expectSound(const PackedRows& packed, std::int64_t length)
{
    std::int64_t padding = 0;
    for (const TrainingRow& row : packed.rows) {
        ASSERT_EQ(static_cast<std::int64_t>(row.ids.size()), length);
        ASSERT_EQ(row.labels.size(), row.ids.size());
        ASSERT_EQ(row.documentStarts.front(), 0);
        EXPECT_TRUE(std::ranges::is_sorted(row.documentStarts, std::less_equal{}));
        for (const std::int64_t start : row.documentStarts) {
            ASSERT_LT(start, length);
            EXPECT_EQ(row.labels[static_cast<std::size_t>(start)], kIgnoredLabel);
        }
        for (std::size_t i = 0; i < row.ids.size(); ++i) {
            EXPECT_TRUE(row.labels[i] == row.ids[i] || row.labels[i] == kIgnoredLabel);
        }
        if (row.paddingTokens > 0) {
            EXPECT_EQ(row.documentStarts.back(), length - row.paddingTokens);
        }
        padding += row.paddingTokens;
    }
    EXPECT_EQ(packed.report.paddingTokens, padding);
    EXPECT_EQ(packed.report.rows, static_cast<std::int64_t>(packed.rows.size()));
    EXPECT_EQ(packed.report.rows * length,
              packed.report.tokens - packed.report.droppedTokens + packed.report.paddingTokens);
}

TEST(Packing, DocumentsStayWholeAndRowsArePadded)
{
    const PackedRows packed = packRows({document(10, 3), document(20, 4), document(30, 5)}, 8,
                                       Packing::Documents, kPadding);
    expectSound(packed, 8);
    ASSERT_EQ(packed.rows.size(), 2U);
    // Best fit puts 5 and 3 together; documents in a row stand in file order.
    EXPECT_EQ(packed.rows[0].ids, (std::vector<TokenId>{10, 11, 12, 30, 31, 32, 33, 34}));
    EXPECT_EQ(packed.rows[0].labels,
              (std::vector<std::int64_t>{-100, 11, 12, -100, 31, 32, 33, 34}));
    EXPECT_EQ(packed.rows[0].documentStarts, (std::vector<std::int64_t>{0, 3}));
    EXPECT_EQ(packed.rows[1].ids, (std::vector<TokenId>{20, 21, 22, 23, 0, 0, 0, 0}));
    EXPECT_EQ(packed.rows[1].documentStarts, (std::vector<std::int64_t>{0, 4}));
    EXPECT_EQ(packed.rows[1].labels,
              (std::vector<std::int64_t>{-100, 21, 22, 23, -100, -100, -100, -100}));
    EXPECT_EQ(packed.report.paddingTokens, 4);
    EXPECT_EQ(packed.report.cutDocuments, 0);
}

TEST(Packing, ALongDocumentIsCutAndItsLastPiecePacked)
{
    const PackedRows packed =
        packRows({document(10, 10), document(50, 2)}, 4, Packing::Documents, kPadding);
    expectSound(packed, 4);
    ASSERT_EQ(packed.rows.size(), 3U);
    EXPECT_EQ(packed.rows[1].ids, (std::vector<TokenId>{14, 15, 16, 17}));
    EXPECT_EQ(packed.rows[1].labels, (std::vector<std::int64_t>{-100, 15, 16, 17}));
    EXPECT_EQ(packed.rows[2].ids, (std::vector<TokenId>{18, 19, 50, 51}));
    EXPECT_EQ(packed.report.cutDocuments, 1);
    EXPECT_EQ(packed.report.droppedTokens, 0);
}

TEST(Packing, AStreamIsCutEveryRowAndItsRestIsCounted)
{
    const PackedRows packed =
        packRows({document(10, 3), document(20, 6), document(30, 2)}, 4, Packing::Stream, kPadding);
    expectSound(packed, 4);
    ASSERT_EQ(packed.rows.size(), 2U);
    EXPECT_EQ(packed.rows[0].ids, (std::vector<TokenId>{10, 11, 12, 20}));
    EXPECT_EQ(packed.rows[0].documentStarts, (std::vector<std::int64_t>{0, 3}));
    EXPECT_EQ(packed.rows[1].ids, (std::vector<TokenId>{21, 22, 23, 24}));
    EXPECT_EQ(packed.rows[1].documentStarts, std::vector<std::int64_t>{0});
    EXPECT_EQ(packed.report.droppedTokens, 3);
    EXPECT_EQ(packed.report.cutDocuments, 1);
    EXPECT_EQ(packed.report.paddingTokens, 0);
}

TEST(Packing, ReadyRowsStayAsTheyAre)
{
    TokenDocument ready = document(5, 4);
    ready.isWholeRow = true;
    ready.labels = {-100, -100, 7, 8};
    for (const Packing packing : {Packing::Documents, Packing::Stream}) {
        const PackedRows packed = packRows({ready, ready}, 4, packing, kPadding);
        ASSERT_EQ(packed.rows.size(), 2U);
        EXPECT_EQ(packed.rows[1].ids, ready.ids);
        EXPECT_EQ(packed.rows[1].labels, ready.labels);
        EXPECT_EQ(packed.rows[1].documentStarts, std::vector<std::int64_t>{0});
    }
}

TEST(Packing, NoTokenIsLostOrDoubled)
{
    std::mt19937 random(4);
    for (int round = 0; round < 200; ++round) {
        const auto length = static_cast<std::int64_t>(2 + random() % 30);
        const std::vector<TokenDocument> documents = randomDocuments(random, 70);
        for (const Packing packing : {Packing::Documents, Packing::Stream}) {
            PackedRows packed;
            try {
                packed = packRows(documents, length, packing, kPadding);
            } catch (const DataError&) {
                continue; // too little for a row
            }
            expectSound(packed, length);
            std::vector<TokenId> seen;
            for (const TrainingRow& row : packed.rows) {
                for (const TokenId id : row.ids) {
                    if (id != kPadding) {
                        seen.push_back(id);
                    }
                }
            }
            std::ranges::sort(seen);
            std::vector<TokenId> all(
                static_cast<std::size_t>(packed.report.tokens - packed.report.droppedTokens));
            std::iota(all.begin(), all.end(), 1);
            ASSERT_EQ(seen, all);
        }
    }
}

TEST(Packing, WholeDocumentsAreNeverDivided)
{
    std::mt19937 random(9);
    for (int round = 0; round < 100; ++round) {
        std::vector<TokenDocument> documents = randomDocuments(random, 16);
        documents.push_back(document(1, 16)); // enough for a row in every round
        const PackedRows packed = packRows(documents, 16, Packing::Documents, kPadding);
        std::size_t starts = 0;
        for (const TrainingRow& row : packed.rows) {
            starts += row.documentStarts.size() - (row.paddingTokens > 0 ? 1 : 0);
        }
        EXPECT_EQ(starts, documents.size());
        EXPECT_EQ(packed.report.cutDocuments, 0);
    }
}

TEST(Packing, TooLittleDataIsRefused)
{
    for (const auto& [documents, packing] :
         std::vector<std::pair<std::vector<TokenDocument>, Packing>>{
             {{}, Packing::Documents},
             {{}, Packing::Stream},
             {{document(1, 7)}, Packing::Stream}}) {
        const std::string message =
            test::messageOf<DataError>([&] { packRows(documents, 8, packing, kPadding); });
        EXPECT_NE(message.find("do not fill one row of 8"), std::string::npos) << message;
    }
}

TEST(Packing, DataOfWhichNothingIsScoredIsRefused)
{
    TokenDocument masked = document(5, 8);
    masked.labels.assign(8, kIgnoredLabel);
    const std::string message =
        test::messageOf<DataError>([&] { packRows({masked}, 8, Packing::Documents, kPadding); });
    EXPECT_NE(message.find("is scored"), std::string::npos) << message;
    EXPECT_THROW(packRows({document(1, 1)}, 8, Packing::Documents, kPadding), DataError);
}

TEST(RowOrder, EveryRowComesOncePerEpoch)
{
    RowOrder order(37, 42);
    std::vector<std::vector<std::int64_t>> epochs;
    for (int epoch = 0; epoch < 3; ++epoch) {
        std::vector<std::int64_t>& rows = epochs.emplace_back();
        for (int i = 0; i < 37; ++i) {
            rows.push_back(order.next());
        }
        std::vector<std::int64_t> sorted = rows;
        std::ranges::sort(sorted);
        for (std::int64_t i = 0; i < 37; ++i) {
            ASSERT_EQ(sorted[static_cast<std::size_t>(i)], i);
        }
    }
    EXPECT_NE(epochs[0], epochs[1]);
    EXPECT_NE(epochs[1], epochs[2]);
}

TEST(RowOrder, TheSeedAloneDecides)
{
    const auto first = [](std::int64_t seed) {
        RowOrder order(10, seed);
        std::vector<std::int64_t> rows(25);
        std::ranges::generate(rows, [&order] { return order.next(); });
        return rows;
    };
    EXPECT_EQ(first(7), first(7));
    EXPECT_NE(first(7), first(8));
    EXPECT_NE(first(0), first(-1));
}

TEST(RowOrder, IsTheSameOnEveryPlatform)
{
    // mt19937_64 is fixed by the standard, the shuffle is our own: these are to stay for ever.
    RowOrder order(8, 42);
    std::vector<std::int64_t> rows(16);
    std::ranges::generate(rows, [&order] { return order.next(); });
    EXPECT_EQ(rows, (std::vector<std::int64_t>{1, 5, 6, 7, 3, 2, 0, 4, 7, 6, 0, 1, 3, 2, 4, 5}));
}

TEST(RowOrder, OneRowIsRepeated)
{
    RowOrder order(1, 3);
    EXPECT_EQ(order.next(), 0);
    EXPECT_EQ(order.next(), 0);
}

} // namespace
} // namespace longlora
