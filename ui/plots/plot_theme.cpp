// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/plots/plot_theme.h"

#include <QPalette>
#include <QWidget>

#include <array>

namespace longlora::ui {

namespace {

constexpr std::array<QRgb, PlotTheme::kSeriesCount> kOnLight = {
    0xff0072b2, 0xffd55e00, 0xff008060, 0xffb0578f, 0xff3a9bd1, 0xffb58900, 0xffc23b00, 0xff6e6e6e};
constexpr std::array<QRgb, PlotTheme::kSeriesCount> kOnDark = {
    0xff4da6e0, 0xffe69f00, 0xff1fbf95, 0xffdd93c0, 0xff8fd0f5, 0xfff0e442, 0xffff7f3f, 0xffa8a8a8};

} // namespace

QColor blended(const QColor& base, const QColor& tint, double amount)
{
    const auto mix = [amount](int from, int to) {
        return static_cast<int>(from + (to - from) * amount + 0.5);
    };
    return {mix(base.red(), tint.red()), mix(base.green(), tint.green()),
            mix(base.blue(), tint.blue())};
}

PlotTheme::PlotTheme(const QPalette& palette)
    : isDark(palette.color(QPalette::Base).lightness() < 128)
    , background(palette.color(QPalette::Base))
    , text(palette.color(QPalette::Text))
    , faintText(blended(palette.color(QPalette::Base), palette.color(QPalette::Text), 0.68))
    , grid(blended(palette.color(QPalette::Base), palette.color(QPalette::Text),
                   isDark ? 0.20 : 0.13))
    , good(series(Green))
    , warning(series(Orange))
    , bad(series(Vermillion))
{}

QColor PlotTheme::series(int index) const
{
    const auto& colours = isDark ? kOnDark : kOnLight;
    return QColor::fromRgba(colours[static_cast<std::size_t>(index) % colours.size()]);
}

Qt::PenStyle PlotTheme::linePattern(int index) const
{
    return index < kSeriesCount ? Qt::SolidLine : Qt::DashLine;
}

QBrush PlotTheme::area(int index) const
{
    const Qt::BrushStyle first = index % 2 == 0 ? Qt::SolidPattern : Qt::Dense2Pattern;
    return {series(index), index < kSeriesCount ? first : Qt::Dense5Pattern};
}

void setFaint(QWidget* widget)
{
    // Placeholder text is the palette's own role for this and follows palette changes by itself.
    widget->setForegroundRole(QPalette::PlaceholderText);
}

} // namespace longlora::ui
