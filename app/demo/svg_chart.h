// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace longlora::app {

enum class ChartMark { None, Circle, Square, Triangle };

/// One line of a chart. Lines differ by dash and mark as well as by colour: `style` names CSS
/// classes that chartStyleSheet() defines.
struct ChartSeries {
    std::string name;
    std::string style; ///< "series-1", "series-2", "series-3", "faint"
    ChartMark mark = ChartMark::None;
    bool isLine = true;                                 ///< false: marks only
    std::vector<std::pair<double, double>> points = {}; ///< ascending in x
};

struct LineChart {
    std::string title;
    std::string xLabel; ///< with unit
    std::string yLabel;
    std::vector<double> xTicks; ///< empty: chosen
    bool logX = false;
    bool logY = false;
    bool percent = false;     ///< y from 0 to 1, labelled in per cent
    bool showsValues = false; ///< writes y beside each mark
    std::vector<ChartSeries> series = {};
};

/// One <figure> with the chart as inline SVG, axes, grid, and a legend. Colours come from CSS.
std::string chartFigure(const LineChart& chart);

/// The style sheet that the figures need, for light and dark.
std::string chartStyleSheet();

/// Text as HTML or SVG content or attribute.
std::string escapedHtml(const std::string& text);

/// Round numbers from at most `low` to at least `high`, about `count` of them.
std::vector<double> roundTicks(double low, double high, int count);

} // namespace longlora::app
