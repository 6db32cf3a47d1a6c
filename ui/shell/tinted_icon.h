// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QIcon>

class QPalette;

namespace longlora::ui {

/// The drawing resources/icons/<name>.svg in the palette's text colour, sharp at every scale.
QIcon tintedIcon(const QString& name, const QPalette& palette);

} // namespace longlora::ui
