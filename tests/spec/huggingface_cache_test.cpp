// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/base/error.h"
#include "core/spec/config/huggingface_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace longlora {

namespace fs = std::filesystem;

namespace {

constexpr const char* kVariables[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                      "XDG_CACHE_HOME", "HOME"};

class HuggingFaceCacheTest : public ::testing::Test {
protected:
    HuggingFaceCacheTest()
    {
        for (const char* variable : kVariables) {
            const char* value = std::getenv(variable);
            m_before.emplace_back(value == nullptr ? "" : value);
            ::unsetenv(variable);
        }
        std::string pattern = (fs::temp_directory_path() / "longlora-cache-XXXXXX").string();
        m_folder = ::mkdtemp(pattern.data());
        ::setenv("HF_HUB_CACHE", m_folder.c_str(), 1);
    }
    ~HuggingFaceCacheTest() override
    {
        for (std::size_t i = 0; i < std::size(kVariables); ++i) {
            if (m_before[i].empty()) {
                ::unsetenv(kVariables[i]);
            } else {
                ::setenv(kVariables[i], m_before[i].c_str(), 1);
            }
        }
        fs::remove_all(m_folder);
    }

    fs::path addSnapshot(const std::string& entry, const std::string& commit)
    {
        const fs::path snapshot = m_folder / entry / "snapshots" / commit;
        fs::create_directories(snapshot);
        std::ofstream(snapshot / "config.json") << "{}";
        return snapshot;
    }
    void setMain(const std::string& entry, const std::string& commit)
    {
        fs::create_directories(m_folder / entry / "refs");
        std::ofstream(m_folder / entry / "refs" / "main") << commit;
    }
    std::string refusalOf(const std::string& name)
    {
        try {
            resolveModelFolder(name);
        } catch (const DataError& error) {
            return error.describe();
        }
        return "nothing was thrown";
    }

    fs::path m_folder;
    std::vector<std::string> m_before;
};

TEST_F(HuggingFaceCacheTest, VariablesCountInTheirOrder)
{
    ::setenv("HOME", "/home/me", 1);
    EXPECT_EQ(huggingFaceCacheFolder(), m_folder);
    ::unsetenv("HF_HUB_CACHE");
    EXPECT_EQ(huggingFaceCacheFolder(), "/home/me/.cache/huggingface/hub");
    ::setenv("XDG_CACHE_HOME", "/xdg", 1);
    EXPECT_EQ(huggingFaceCacheFolder(), "/xdg/huggingface/hub");
    ::setenv("HF_HOME", "/hf", 1);
    EXPECT_EQ(huggingFaceCacheFolder(), "/hf/hub");
    ::setenv("HUGGINGFACE_HUB_CACHE", "/old", 1);
    EXPECT_EQ(huggingFaceCacheFolder(), "/old");
}

TEST_F(HuggingFaceCacheTest, AFolderIsTakenAsItIs)
{
    EXPECT_EQ(resolveModelFolder(m_folder.string()), m_folder);
}

TEST_F(HuggingFaceCacheTest, ANameMeansTheSnapshotOfMain)
{
    const fs::path wanted = addSnapshot("models--org--name", "0a1b");
    addSnapshot("models--org--name", "2c3d");
    setMain("models--org--name", "0a1b\n");
    EXPECT_EQ(resolveModelFolder("org/name"), wanted);
}

TEST_F(HuggingFaceCacheTest, WithoutMainTheNewestCompleteSnapshotCounts)
{
    const fs::path old = addSnapshot("models--org--name", "0a1b");
    const fs::path complete = addSnapshot("models--org--name", "2c3d");
    fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(1));
    fs::create_directories(m_folder / "models--org--name" / "snapshots" / "4e5f");
    EXPECT_EQ(resolveModelFolder("org/name"), complete);
}

TEST_F(HuggingFaceCacheTest, AMainThatLeadsElsewhereIsNotFollowed)
{
    const fs::path wanted = addSnapshot("models--org--name", "0a1b");
    setMain("models--org--name", "../../../outside");
    EXPECT_EQ(resolveModelFolder("org/name"), wanted);
}

TEST_F(HuggingFaceCacheTest, AnIncompleteSnapshotIsRefusedByName)
{
    fs::create_directories(m_folder / "models--org--name" / "snapshots" / "0a1b");
    EXPECT_NE(refusalOf("org/name").find("no complete snapshot of org/name"), std::string::npos);
}

TEST_F(HuggingFaceCacheTest, AnUnknownNameGetsTheNearest)
{
    addSnapshot("models--org--name", "0a1b");
    EXPECT_NE(refusalOf("org/nmae").find("Did you mean org/name?"), std::string::npos);
    EXPECT_NE(refusalOf("something else").find("nothing is downloaded"), std::string::npos);
}

TEST_F(HuggingFaceCacheTest, AFileIsNoModelFolder)
{
    std::ofstream(m_folder / "file") << "x";
    EXPECT_NE(refusalOf((m_folder / "file").string()).find("is a file"), std::string::npos);
}

TEST_F(HuggingFaceCacheTest, ListsWhatIsThereAndWhatIsWrongWithIt)
{
    addSnapshot("models--org--name--with--dashes", "0a1b");
    addSnapshot("models--gpt", "0a1b");
    addSnapshot("datasets--org--data", "0a1b");
    fs::create_directories(m_folder / "models--org--empty");
    const std::vector<CachedModel> models = cachedModels(m_folder);
    ASSERT_EQ(models.size(), 3U);
    EXPECT_EQ(models[0].name, "gpt");
    EXPECT_EQ(models[0].problem, "");
    EXPECT_EQ(models[1].name, "org/empty");
    EXPECT_NE(models[1].problem.find("finish the download"), std::string::npos);
    EXPECT_EQ(models[2].name, "org/name--with--dashes");
    EXPECT_TRUE(cachedModels(m_folder / "none").empty());
}

} // namespace

} // namespace longlora
