// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/dry_run_service.h"
#include "core/spec/base/error.h"
#include "core/spec/config/config_json.h"
#include "tests/app/program.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

RunConfig goldenConfig()
{
    RunConfig config = readRunConfig(golden("training/mha-extend-s2/run_config.json"));
    config.model = golden(config.model).string();
    config.data.train = {golden(config.data.train.front()).string()};
    return config;
}

/// Where runs are tried out: a folder of its own, so that what stays would be seen.
class DryRunServiceTest : public ::testing::Test {
protected:
    DryRunServiceTest() { ::setenv("TMPDIR", m_scratch.path().c_str(), 1); }
    ~DryRunServiceTest() override { ::unsetenv("TMPDIR"); }
    bool isEmpty() const { return fs::is_empty(m_scratch.path()); }

private:
    ScratchFolder m_scratch;
};

TEST_F(DryRunServiceTest, MeasuresWhatIsPredictedAndKeepsNothing)
{
    std::int64_t steps = 0;
    const auto figures = app::makeDryRunService()->run(goldenConfig(), [&](const Progress& done) {
        steps = done.done;
        return true;
    });
    EXPECT_EQ(steps, 2);
    ASSERT_EQ(figures.size(), 4U);
    for (const DryRunFigure& figure : figures) {
        EXPECT_GT(figure.measured, 0.0);
        EXPECT_EQ(figure.predicted > 0.0, figure.kind != DryRunFigure::Kind::CheckpointTime);
    }
    EXPECT_TRUE(isEmpty());
}

TEST_F(DryRunServiceTest, EndsWhenNobodyWaits)
{
    EXPECT_THROW(app::makeDryRunService()->run(goldenConfig(),
                                               [](const Progress& done) { return done.done < 1; }),
                 Cancelled);
    EXPECT_TRUE(isEmpty());
}

TEST_F(DryRunServiceTest, FailsAsTheRunDoes)
{
    RunConfig config = goldenConfig();
    config.data.train = {"/absent"};
    EXPECT_THROW(app::makeDryRunService()->run(config, [](const Progress&) { return true; }),
                 Error);
    EXPECT_TRUE(isEmpty());
}

} // namespace
} // namespace longlora::test
