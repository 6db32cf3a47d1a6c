// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/disk_space.h"
#include "core/spec/base/error.h"
#include "core/spec/base/replaced_output.h"
#include "tests/spec/temporary_folder.h"

#include <gtest/gtest.h>

namespace longlora {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

std::string contentOf(const fs::path& file)
{
    return readWholeFile(file, 100);
}

TEST(ReplacedOutput, ExchangesFoldersAndFiles)
{
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "model");
    folder.write("model/which", "old");
    folder.write("file", "new");
    exchangePaths(folder.path() / "model", folder.path() / "file");
    EXPECT_EQ(contentOf(folder.path() / "model"), "new");
    EXPECT_EQ(contentOf(folder.path() / "file/which"), "old");
}

TEST(ReplacedOutput, MissingPartnerChangesNothing)
{
    const TemporaryFolder folder;
    folder.write("there", "precious");
    try {
        exchangePaths(folder.path() / "there", folder.path() / "absent");
        FAIL() << "there is nothing to exchange it with";
    } catch (const DataError& error) {
        EXPECT_NE(error.describe().find("absent"), std::string::npos);
    }
    EXPECT_EQ(contentOf(folder.path() / "there"), "precious");
    EXPECT_FALSE(fs::exists(folder.path() / "absent"));
}

TEST(ReplacedOutput, NamesWhatIsKeptWithoutTouchingWhatIsThere)
{
    const TemporaryFolder folder;
    const fs::path output = folder.path() / "merged";
    EXPECT_EQ(replacedName(output), folder.path() / "merged.replaced");
    folder.write("merged.replaced", "");
    fs::create_symlink("nowhere", folder.path() / "merged.replaced-2");
    EXPECT_EQ(replacedName(output), folder.path() / "merged.replaced-3");
}

TEST(ReplacedOutput, CountsStoredBytesOfFoldersAndFiles)
{
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "inner");
    folder.write("a", "12345");
    folder.write("inner/b", "123");
    EXPECT_EQ(storedBytes(folder.path()), 8.0);
    EXPECT_EQ(storedBytes(folder.path() / "a"), 5.0);
    EXPECT_EQ(storedBytes(folder.path() / "absent"), 0.0);
}

TEST(DiskSpace, OfAPathThatDoesNotExistIsThatOfItsNearestFolder)
{
    const TemporaryFolder folder;
    const double here = freeDiskBytes(folder.path());
    EXPECT_GT(here, 0.0);
    EXPECT_NEAR(freeDiskBytes(folder.path() / "a/b/c"), here, 0.05 * here);
    EXPECT_NO_THROW(requireDiskSpace(folder.path() / "a", 1.0));
    try {
        requireDiskSpace(folder.path() / "a", 1e18);
        FAIL() << "no disk is that large";
    } catch (const DataError& error) {
        EXPECT_NE(error.describe().find("/a: it needs"), std::string::npos) << error.describe();
    }
}

} // namespace
} // namespace longlora
