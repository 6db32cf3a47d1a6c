// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

namespace longlora {
namespace {

using test::TemporaryFolder;

std::ptrdiff_t entryCount(const std::filesystem::path& folder)
{
    return std::distance(std::filesystem::directory_iterator(folder), {});
}

/// Files of this process end at `bytes` while this lives: what a full disk does to a write.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes)
    {
        m_handler = std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &m_before);
        const rlimit limit{bytes, m_before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit()
    {
        ::setrlimit(RLIMIT_FSIZE, &m_before);
        std::signal(SIGXFSZ, m_handler);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

private:
    rlimit m_before{};
    void (*m_handler)(int);
};

TEST(AtomicFile, WritesAndReplaces)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "run.json";
    writeFileAtomically(file, "first");
    EXPECT_EQ(readWholeFile(file, 100), "first");
    const std::string second("sec\0nd", 6);
    writeFileAtomically(file, second);
    EXPECT_EQ(readWholeFile(file, 100), second);
    EXPECT_EQ(entryCount(folder.path()), 1);
}

TEST(AtomicFile, FailedWriteLeavesTheOldFileAndNoRest)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "run.json";
    writeFileAtomically(file, "old");
    {
        const FileSizeLimit full(4096);
        EXPECT_THROW(writeFileAtomically(file, std::string(10000, 'x')), DataError);
    }
    EXPECT_EQ(readWholeFile(file, 100), "old");
    EXPECT_EQ(entryCount(folder.path()), 1);
}

TEST(AtomicFile, FailedRenameLeavesNoRest)
{
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder.path() / "run.json" / "inner");
    const std::string message =
        test::messageOf<DataError>([&] { writeFileAtomically(folder.path() / "run.json", "x"); });
    EXPECT_NE(message.find("Cannot write " + (folder.path() / "run.json").string()),
              std::string::npos)
        << message;
    EXPECT_EQ(entryCount(folder.path()), 1);
}

TEST(AtomicFile, MissingFolderIsNamed)
{
    const std::string message = test::messageOf<DataError>(
        [] { writeFileAtomically("/nonexistent-folder/run.json", "x"); });
    EXPECT_EQ(message, "Cannot write /nonexistent-folder/run.json: No such file or directory. "
                       "Check the path.");
}

TEST(AtomicFile, ReadersSeeOldOrNewAndNothingBetween)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "latest";
    const std::string a(20000, 'a');
    const std::string b(30000, 'b');
    writeFileAtomically(file, a);
    std::atomic<bool> done = false;
    std::thread writer([&] {
        for (int i = 0; i < 20; ++i) {
            writeFileAtomically(file, i % 2 == 0 ? b : a);
        }
        done = true;
    });
    bool whole = true;
    while (!done) {
        const std::string seen = readWholeFile(file, 100000);
        whole = whole && (seen == a || seen == b);
    }
    writer.join();
    EXPECT_TRUE(whole);
}

TEST(ReadWholeFile, RefusesMoreThanTheLimit)
{
    const TemporaryFolder folder;
    const auto file = folder.write("big", std::string(1001, 'x'));
    EXPECT_EQ(readWholeFile(file, 1001).size(), 1001U);
    EXPECT_THROW(readWholeFile(file, 1000), DataError);
}

TEST(ReadWholeFile, RefusesWhatIsNoFile)
{
    const TemporaryFolder folder;
    EXPECT_THROW(readWholeFile(folder.path(), 100), DataError);
    EXPECT_THROW(readWholeFile(folder.path() / "absent", 100), DataError);
    const auto pipe = folder.path() / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_THROW(readWholeFile(pipe, 100), DataError); // and does not wait for a writer
}

TEST(ReadWholeFile, ReadsFilesWhoseSizeIsNotSaid)
{
    EXPECT_FALSE(readWholeFile("/proc/self/status", 100000).empty());
}

TEST(SyncDirectory, ThrowsWhereThereIsNone)
{
    const TemporaryFolder folder;
    EXPECT_NO_THROW(syncDirectory(folder.path()));
    EXPECT_THROW(syncDirectory(folder.path() / "absent"), DataError);
}

} // namespace
} // namespace longlora
