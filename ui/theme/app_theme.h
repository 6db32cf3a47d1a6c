// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace longlora::ui {

enum class Theme { System, Light, Dark };

/// What settings keep: "system", "light", "dark".
QString themeName(Theme theme);
Theme themeFromName(const QString& name);

/// Light and Dark bring a palette of their own in Qt's Fusion style, Dark with lighter edges;
/// System gives back the style and palette the desktop had chosen when the program started.
void applyTheme(Theme theme);

} // namespace longlora::ui
