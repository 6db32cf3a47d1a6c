// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/run/failure_text.h"

#include "ui/text_format.h"

#include <QCoreApplication>

#include <algorithm>

namespace longlora::ui {

namespace {

constexpr std::size_t kItemsTold = 3;

QString tr(const char* text)
{
    return QCoreApplication::translate("longlora::ui::Failure", text);
}

QString largestItems(const RunStarted& started)
{
    std::vector<PlannedItem> items = started.plan;
    std::sort(items.begin(), items.end(),
              [](const PlannedItem& a, const PlannedItem& b) { return a.bytes > b.bytes; });
    items.resize(std::min(items.size(), kItemsTold));
    QStringList lines;
    for (const PlannedItem& item : items) {
        lines.append(
            tr("%1: %2 (%3)")
                .arg(toQString(item.name), bytesText(item.bytes), toQString(item.formula)));
    }
    return lines.join(u'\n');
}

} // namespace

ErrorBanner::Content describeFailure(const RunRecord& record)
{
    const RunFinished& end = *record.finished;
    ErrorBanner::Content content;
    content.what = tr("The run failed after %1 steps").arg(countText(end.steps));
    content.why = toQString(end.message);
    content.remedy = toQString(end.hint);
    QStringList details;
    if (!record.stateDetail.empty()) {
        details.append(tr("It was: %1").arg(toQString(record.stateDetail)));
    }
    if (end.peakBytes > 0.0 && record.started) {
        details.append(
            tr("Peak memory %1, planned %2. Largest items of the plan:")
                .arg(bytesText(end.peakBytes), bytesText(record.started->plannedPeakBytes)));
        details.append(largestItems(*record.started));
    }
    content.details = details.join(u'\n');
    return content;
}

} // namespace longlora::ui
