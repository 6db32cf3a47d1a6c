// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/svg_chart.h"

#include "core/spec/base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace longlora::app {

namespace {

constexpr double kWidth = 520.0;
constexpr double kHeight = 320.0;
constexpr double kLeft = 62.0;
constexpr double kRight = 18.0;
constexpr double kTop = 24.0;
constexpr double kBottom = 50.0;

/// Where a value lies between two ends, on a linear or logarithmic scale.
class Axis {
public:
    Axis(double low, double high, bool isLog, double atLow, double atHigh)
        : m_low(isLog ? std::log(low) : low)
        , m_high(isLog ? std::log(high) : high)
        , m_isLog(isLog)
        , m_atLow(atLow)
        , m_atHigh(atHigh)
    {}
    double operator()(double value) const
    {
        const double place = ((m_isLog ? std::log(value) : value) - m_low) / (m_high - m_low);
        return m_atLow + place * (m_atHigh - m_atLow);
    }

private:
    double m_low, m_high;
    bool m_isLog;
    double m_atLow, m_atHigh;
};

struct Box {
    double left = 0.0, top = 0.0, right = 0.0, bottom = 0.0;

    bool covers(const Box& other) const
    {
        return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
    }
};

struct Range {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();

    void include(double value)
    {
        if (std::isfinite(value)) {
            low = std::min(low, value);
            high = std::max(high, value);
        }
    }
    /// Never empty and never a point.
    void widen()
    {
        if (!(low <= high)) {
            low = 0.0;
            high = 1.0;
        }
        if (high - low < 1e-9 * std::max(1.0, std::abs(high))) {
            low -= 0.5;
            high += 0.5;
        }
    }
};

Range xRange(const LineChart& chart)
{
    Range range;
    for (const ChartSeries& series : chart.series) {
        for (const auto& [x, y] : series.points) {
            range.include(x);
        }
    }
    range.widen();
    return range;
}

Range yRange(const LineChart& chart)
{
    if (chart.percent) {
        return {0.0, 1.0};
    }
    Range range;
    for (const ChartSeries& series : chart.series) {
        for (const auto& [x, y] : series.points) {
            range.include(y);
        }
    }
    range.widen();
    return range;
}

/// 1, 2, 3, 5 and 7 times powers of ten, for a logarithmic axis; the ends enclose the range.
std::vector<double> logTicks(Range range)
{
    constexpr double kSteps[] = {1.0, 1.5, 2.0, 3.0, 5.0, 7.0};
    std::vector<double> ticks;
    const double first = std::pow(10.0, std::floor(std::log10(range.low)));
    for (double decade = first; decade <= range.high * 10.0; decade *= 10.0) {
        for (const double step : kSteps) {
            const double tick = decade * step;
            if (tick <= range.low && !ticks.empty()) {
                ticks.clear();
            }
            ticks.push_back(tick);
            if (tick >= range.high) {
                return ticks;
            }
        }
    }
    return ticks;
}

std::string tickText(double value, bool percent)
{
    if (percent) {
        return fmt::format("{:.0f} %", 100.0 * value);
    }
    const bool isWhole =
        std::abs(value - std::round(value)) < 1e-9 * std::max(1.0, std::abs(value));
    return isWhole && std::abs(value) >= 1000.0 ? formatCount(std::llround(value))
                                                : fmt::format("{:.4g}", value);
}

std::string markShape(ChartMark mark, double x, double y)
{
    switch (mark) {
    case ChartMark::Circle:
        return fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='4.5'/>", x, y);
    case ChartMark::Square:
        return fmt::format("<rect x='{:.1f}' y='{:.1f}' width='8' height='8'/>", x - 4.0, y - 4.0);
    case ChartMark::Triangle:
        return fmt::format("<path d='M{:.1f},{:.1f}l5,9h-10z'/>", x, y - 5.5);
    case ChartMark::None:
        break;
    }
    return {};
}

class Drawing {
public:
    explicit Drawing(const LineChart& chart)
        : m_chart(chart)
        , m_yTicks(chosenYTicks(chart))
        , m_xTicks(chosenXTicks(chart))
        , m_x(m_xTicks.front(), m_xTicks.back(), chart.logX, kLeft + kInset(chart),
              kWidth - kRight - kInset(chart))
        , m_y(m_yTicks.front(), m_yTicks.back(), chart.logY, kHeight - kBottom, kTop)
    {}

    std::string svg()
    {
        m_svg = fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>\n", kWidth,
                            kHeight, escapedHtml(m_chart.title));
        drawAxes();
        for (const ChartSeries& series : m_chart.series) {
            drawSeries(series);
        }
        if (m_chart.showsValues) {
            drawValues();
        }
        return m_svg + "</svg>\n";
    }

private:
    /// Room between the frame and the outermost marks.
    static double kInset(const LineChart& chart) { return chart.showsValues ? 26.0 : 0.0; }

    static std::vector<double> chosenYTicks(const LineChart& chart)
    {
        const Range range = yRange(chart);
        if (chart.percent) {
            return {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};
        }
        return chart.logY ? logTicks(range) : roundTicks(range.low, range.high, 6);
    }
    static std::vector<double> chosenXTicks(const LineChart& chart)
    {
        if (!chart.xTicks.empty()) {
            return chart.xTicks;
        }
        const Range range = xRange(chart);
        return roundTicks(range.low, range.high, 6);
    }

    void drawAxes()
    {
        const double bottom = kHeight - kBottom;
        for (const double tick : m_yTicks) {
            m_svg += fmt::format("<path class='grid' d='M{:.1f},{:.1f}H{:.1f}'/>"
                                 "<text class='tick' x='{:.1f}' y='{:.1f}' "
                                 "text-anchor='end'>{}</text>\n",
                                 kLeft, m_y(tick), kWidth - kRight, kLeft - 8.0, m_y(tick) + 4.0,
                                 tickText(tick, m_chart.percent));
        }
        for (const double tick : m_xTicks) {
            m_svg +=
                fmt::format("<path class='axis' d='M{:.1f},{:.1f}v5'/>"
                            "<text class='tick' x='{:.1f}' y='{:.1f}' "
                            "text-anchor='middle'>{}</text>\n",
                            m_x(tick), bottom, m_x(tick), bottom + 19.0, tickText(tick, false));
        }
        m_svg += fmt::format("<path class='axis' d='M{:.1f},{:.1f}V{:.1f}H{:.1f}'/>\n", kLeft, kTop,
                             bottom, kWidth - kRight);
        m_svg += fmt::format("<text class='label' x='{:.1f}' y='{:.1f}' "
                             "text-anchor='middle'>{}</text>\n",
                             (kLeft + kWidth - kRight) / 2.0, kHeight - 10.0,
                             escapedHtml(m_chart.xLabel));
        m_svg += fmt::format("<text class='label' text-anchor='middle' "
                             "transform='translate(15,{:.1f})rotate(-90)'>{}</text>\n",
                             (kTop + bottom) / 2.0, escapedHtml(m_chart.yLabel));
    }

    void drawSeries(const ChartSeries& series)
    {
        m_svg += "<g class='" + series.style + "'>";
        if (series.isLine && series.points.size() > 1) {
            std::string path;
            for (const auto& [x, y] : series.points) {
                path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "M" : "L", m_x(x), m_y(y));
            }
            m_svg += "<path class='line' d='" + path + "'/>";
        }
        for (const auto& [x, y] : series.points) {
            m_svg += markShape(series.mark, m_x(x), m_y(y));
        }
        m_svg += "</g>\n";
    }

    /// A number beside each mark, where it covers neither marks nor other numbers.
    void drawValues()
    {
        std::vector<Box> taken;
        for (const ChartSeries& series : m_chart.series) {
            for (const auto& [x, y] : series.points) {
                taken.push_back({m_x(x) - 5.0, m_y(y) - 5.0, m_x(x) + 5.0, m_y(y) + 5.0});
            }
        }
        // The last series is what the chart is about: it gets the best places.
        for (auto series = m_chart.series.rbegin(); series != m_chart.series.rend(); ++series) {
            for (const auto& [x, y] : series->points) {
                const std::string text =
                    m_chart.percent ? fmt::format("{:.0f}", 100.0 * y) : fmt::format("{:.1f}", y);
                const Box box = freePlace(m_x(x), m_y(y), text, taken);
                taken.push_back(box);
                m_svg += fmt::format("<text class='value {}' x='{:.1f}' y='{:.1f}' "
                                     "text-anchor='middle'>{}</text>\n",
                                     series->style, (box.left + box.right) / 2.0, box.bottom - 2.0,
                                     text);
            }
        }
    }

    static Box freePlace(double x, double y, const std::string& text, const std::vector<Box>& taken)
    {
        const double half = 3.6 * static_cast<double>(text.size());
        constexpr double kTall = 12.0;
        const std::pair<double, double> centres[] = {
            {x, y - 13.0},
            {x, y + 13.0},
            {x + half + 9.0, y},
            {x - half - 9.0, y},
            {x, y - 26.0},
            {x + half + 9.0, y - 13.0},
            {x - half - 9.0, y - 13.0},
            {x, y - 39.0},
        };
        Box box;
        for (const auto& [cx, cy] : centres) {
            box = {cx - half, cy - kTall / 2.0, cx + half, cy + kTall / 2.0};
            const bool inside = box.top >= 0.0 && box.bottom <= kHeight - kBottom - 1.0 &&
                                box.left > kLeft && box.right < kWidth;
            const bool free = std::none_of(taken.begin(), taken.end(),
                                           [&](const Box& other) { return box.covers(other); });
            if (inside && free) {
                break;
            }
        }
        return box;
    }

    const LineChart& m_chart;
    std::vector<double> m_yTicks, m_xTicks;
    Axis m_x, m_y;
    std::string m_svg;
};

std::string legend(const LineChart& chart)
{
    std::string html = "<ul class='legend'>";
    for (const ChartSeries& series : chart.series) {
        html +=
            fmt::format("<li><svg viewBox='0 0 34 14' width='34' height='14' aria-hidden='true'>"
                        "<g class='{}'>{}{}</g></svg>{}</li>",
                        series.style, series.isLine ? "<path class='line' d='M1,7H33'/>" : "",
                        markShape(series.mark, 17.0, 7.0), escapedHtml(series.name));
    }
    return html + "</ul>\n";
}

} // namespace

std::vector<double> roundTicks(double low, double high, int count)
{
    const double rough = (high - low) / std::max(count - 1, 1);
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    const double part = rough / power;
    const double step = power * (part <= 1.0   ? 1.0
                                 : part <= 2.0 ? 2.0
                                 : part <= 2.5 ? 2.5
                                 : part <= 5.0 ? 5.0
                                               : 10.0);
    const double first = std::floor(low / step + 1e-9);
    const double last = std::ceil(high / step - 1e-9);
    std::vector<double> ticks;
    for (double i = first; i <= last; i += 1.0) {
        ticks.push_back(i * step);
    }
    return ticks;
}

std::string escapedHtml(const std::string& text)
{
    std::string escaped;
    for (const char c : text) {
        switch (c) {
        case '&':
            escaped += "&amp;";
            break;
        case '<':
            escaped += "&lt;";
            break;
        case '>':
            escaped += "&gt;";
            break;
        case '"':
            escaped += "&quot;";
            break;
        case '\'':
            escaped += "&#39;";
            break;
        default:
            escaped += c;
        }
    }
    return escaped;
}

std::string chartFigure(const LineChart& chart)
{
    return "<figure><figcaption>" + escapedHtml(chart.title) + "</figcaption>\n" +
           Drawing(chart).svg() + legend(chart) + "</figure>\n";
}

std::string chartStyleSheet()
{
    return R"css(
figure { margin: 0; padding: 14px 16px 10px; border: 1px solid var(--rule); border-radius: 8px;
         background: var(--panel); }
figcaption { font-weight: 600; margin-bottom: 6px; }
figure svg { width: 100%; height: auto; display: block; }
.grid { stroke: var(--grid); stroke-width: 1; fill: none; }
.axis { stroke: var(--axis); stroke-width: 1.2; fill: none; }
.tick, .value { font-size: 11.5px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.label { font-size: 12.5px; fill: var(--text); }
.line { fill: none; stroke: currentColor; stroke-width: 2.2; stroke-linejoin: round; }
.series-1, .series-2, .series-3, .faint { fill: currentColor; }
.series-1 { color: var(--one); } .series-2 { color: var(--two); } .series-3 { color: var(--three); }
.faint { color: var(--three); opacity: .38; } .faint .line { stroke-width: 1.1; }
.series-1 .line { stroke-dasharray: 2 4; } .series-2 .line { stroke-dasharray: 8 5; }
.value.series-1, .value.series-2, .value.series-3 { font-weight: 600; fill: currentColor;
    stroke: var(--panel); stroke-width: 3; paint-order: stroke; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 6px 0 0;
          padding: 0; font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend svg { width: 34px; flex: none; }
)css";
}

} // namespace longlora::app
