// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/theme/app_theme.h"

#include "ui/plots/plot_theme.h"
#include "ui/theme/outlined_style.h"

#include <QApplication>
#include <QPalette>
#include <QStyle>

namespace longlora::ui {

namespace {

struct Shades {
    QRgb window, base, alternate, button, text, faint, disabled, highlight, link;
};

constexpr Shades kLight = {0xfff3f4f6, 0xffffffff, 0xfff2f5f9, 0xfff7f8fa, 0xff1d2126,
                           0xff5f6770, 0xff8d949c, 0xff1f6fb2, 0xff0b5fa5};
constexpr Shades kDark = {0xff2d3136, 0xff1b1d21, 0xff23262b, 0xff3c424a, 0xffe4e7eb,
                          0xffa3abb5, 0xff747c86, 0xff2b6da8, 0xff7fc1f5};

QPalette makePalette(const Shades& shades)
{
    const QColor text(shades.text);
    QPalette palette(QColor(shades.button), QColor(shades.window));
    palette.setColor(QPalette::Base, shades.base);
    palette.setColor(QPalette::AlternateBase, shades.alternate);
    palette.setColor(QPalette::Button, shades.button);
    for (const auto role :
         {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::ToolTipText}) {
        palette.setColor(role, text);
    }
    palette.setColor(QPalette::ToolTipBase, shades.alternate);
    palette.setColor(QPalette::PlaceholderText, shades.faint);
    palette.setColor(QPalette::Highlight, shades.highlight);
    palette.setColor(QPalette::HighlightedText, Qt::white);
    palette.setColor(QPalette::Link, shades.link);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) {
        palette.setColor(QPalette::Disabled, role, shades.disabled);
    }
    palette.setColor(QPalette::Disabled, QPalette::Highlight, shades.disabled);
    return palette;
}

} // namespace

QString themeName(Theme theme)
{
    switch (theme) {
    case Theme::System:
        return QStringLiteral("system");
    case Theme::Light:
        return QStringLiteral("light");
    case Theme::Dark:
        return QStringLiteral("dark");
    }
    return {};
}

Theme themeFromName(const QString& name)
{
    for (const Theme theme : {Theme::Light, Theme::Dark}) {
        if (themeName(theme) == name) {
            return theme;
        }
    }
    return Theme::System;
}

void applyTheme(Theme theme)
{
    static const QString kDesktopStyle = QApplication::style()->objectName();
    const bool isOutlined = qobject_cast<OutlinedStyle*>(QApplication::style()) != nullptr;
    if (theme == Theme::System) {
        if (isOutlined || QApplication::style()->objectName() != kDesktopStyle) {
            QApplication::setStyle(kDesktopStyle);
        }
        // What is not set resolves to the desktop's palette; its faint text is often too faint.
        const QPalette desktop = QApplication::style()->standardPalette();
        QPalette palette;
        palette.setColor(
            QPalette::PlaceholderText,
            blended(desktop.color(QPalette::Window), desktop.color(QPalette::WindowText), 0.64));
        QApplication::setPalette(palette);
        return;
    }
    if (theme == Theme::Dark && !isOutlined) {
        QApplication::setStyle(new OutlinedStyle);
    } else if (theme == Theme::Light &&
               (isOutlined || QApplication::style()->objectName() != QLatin1String("fusion"))) {
        QApplication::setStyle(QStringLiteral("Fusion"));
    }
    QApplication::setPalette(makePalette(theme == Theme::Light ? kLight : kDark));
}

} // namespace longlora::ui
