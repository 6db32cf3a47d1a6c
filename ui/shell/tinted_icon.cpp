// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/tinted_icon.h"

#include <QFile>
#include <QPainter>
#include <QPalette>
#include <QPixmap>
#include <QSvgRenderer>

namespace longlora::ui {

QIcon tintedIcon(const QString& name, const QPalette& palette)
{
    QFile file(QLatin1String(":/longlora/icons/") + name + QLatin1String(".svg"));
    if (!file.open(QIODevice::ReadOnly)) {
        Q_ASSERT(false);
        return {};
    }
    const QByteArray drawing = file.readAll();
    QIcon icon;
    for (const auto mode : {QIcon::Normal, QIcon::Disabled}) {
        const auto group = mode == QIcon::Normal ? QPalette::Active : QPalette::Disabled;
        QByteArray tinted = drawing;
        tinted.replace("currentColor",
                       palette.color(group, QPalette::WindowText).name().toLatin1());
        QSvgRenderer renderer(tinted);
        for (const int side : {24, 48, 96}) {
            QPixmap pixmap(side, side);
            pixmap.fill(Qt::transparent);
            QPainter painter(&pixmap);
            renderer.render(&painter);
            painter.end();
            icon.addPixmap(pixmap, mode);
        }
    }
    return icon;
}

} // namespace longlora::ui
