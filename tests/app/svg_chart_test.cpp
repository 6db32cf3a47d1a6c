// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/svg_chart.h"

#include <gtest/gtest.h>

#include <regex>

namespace longlora::app {

namespace {

LineChart exampleChart()
{
    LineChart chart{.title = "A & B",
                    .xLabel = "tokens",
                    .yLabel = "value",
                    .xTicks = {256, 512, 1024},
                    .logX = true,
                    .showsValues = true};
    chart.series = {{.name = "One <1>",
                     .style = "series-1",
                     .mark = ChartMark::Square,
                     .points = {{256, 34.2}, {512, 39.3}, {1024, 77.0}}},
                    {.name = "Two",
                     .style = "series-3",
                     .mark = ChartMark::Circle,
                     .points = {{256, 33.9}, {512, 32.4}, {1024, 31.8}}}};
    return chart;
}

TEST(RoundTicks, EncloseTheRangeInRoundSteps)
{
    EXPECT_EQ(roundTicks(0.0, 10.0, 6), (std::vector<double>{0, 2, 4, 6, 8, 10}));
    EXPECT_EQ(roundTicks(3.41, 4.52, 6),
              (std::vector<double>{3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75}));
}

TEST(Chart, EscapesNamesAndTitles)
{
    const std::string figure = chartFigure(exampleChart());
    EXPECT_NE(figure.find("A &amp; B"), std::string::npos);
    EXPECT_NE(figure.find("One &lt;1&gt;"), std::string::npos);
    EXPECT_EQ(figure.find("One <1>"), std::string::npos);
}

TEST(Chart, HigherValuesStandHigher)
{
    const std::string figure = chartFigure(exampleChart());
    const std::regex circle("<circle cx='([0-9.]+)' cy='([0-9.]+)'");
    std::vector<double> heights;
    for (std::sregex_iterator it(figure.begin(), figure.end(), circle), end; it != end; ++it) {
        heights.push_back(std::stod((*it)[2]));
    }
    // Three in the chart and one in the legend; 33.9, 32.4, 31.8 sink.
    ASSERT_EQ(heights.size(), 4U);
    EXPECT_LT(heights[0], heights[1]);
    EXPECT_LT(heights[1], heights[2]);
}

TEST(Chart, NumbersDoNotCoverEachOther)
{
    const std::string figure = chartFigure(exampleChart());
    const std::regex value("class='value [^']*' x='([0-9.]+)' y='([0-9.]+)'");
    std::vector<std::pair<double, double>> places;
    for (std::sregex_iterator it(figure.begin(), figure.end(), value), end; it != end; ++it) {
        places.emplace_back(std::stod((*it)[1]), std::stod((*it)[2]));
    }
    ASSERT_EQ(places.size(), 6U);
    for (std::size_t i = 0; i < places.size(); ++i) {
        for (std::size_t j = i + 1; j < places.size(); ++j) {
            EXPECT_TRUE(std::abs(places[i].first - places[j].first) > 20.0 ||
                        std::abs(places[i].second - places[j].second) > 10.0);
        }
    }
}

TEST(Chart, LinesDifferByDashAndMarkToo)
{
    const std::string style = chartStyleSheet();
    EXPECT_NE(style.find(".series-1 .line { stroke-dasharray: 2 4; }"), std::string::npos);
    EXPECT_NE(style.find(".series-2 .line { stroke-dasharray: 8 5; }"), std::string::npos);
}

} // namespace

} // namespace longlora::app
