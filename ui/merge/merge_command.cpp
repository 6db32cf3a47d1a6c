// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/merge_command.h"

#include "ui/text_format.h"

#include <QRegularExpression>

namespace longlora::ui {

namespace {

QString quoted(const QString& word)
{
    static const QRegularExpression plain(QStringLiteral("^[A-Za-z0-9_@%+=:,./-]+$"));
    if (plain.match(word).hasMatch()) {
        return word;
    }
    QString inside = word;
    inside.replace(u'\'', QLatin1String("'\\''"));
    return u'\'' + inside + u'\'';
}

} // namespace

QString mergeCommandLine(const MergeRequest& request)
{
    const MergeRequest usual;
    QString line = QStringLiteral("longlora merge");
    const auto add = [&line](const char* option, const QString& value) {
        line += u' ' + QLatin1String(option) + u' ' + quoted(value);
    };
    add("--base", pathText(request.base));
    add("--adapter", pathText(request.adapter));
    add("--out", pathText(request.output));
    if (request.format == MergeFormat::Gguf) {
        add("--format", QStringLiteral("gguf"));
    }
    if (request.dtype != usual.dtype) {
        add("--dtype", toQString(request.dtype));
    }
    if (request.positions == PositionLimit::TrainedLength) {
        add("--positions", QStringLiteral("trained"));
    }
    if (request.maxShardBytes != usual.maxShardBytes) {
        add("--max-shard-size", QString::number(request.maxShardBytes, 'g', 12));
    }
    if (!request.verify) {
        line += QLatin1String(" --no-verify");
    }
    if (request.replace) {
        line += QLatin1String(" --replace");
    }
    return line;
}

} // namespace longlora::ui
