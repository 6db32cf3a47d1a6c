// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/progress_estimate.h"

#include "ui/text_format.h"

#include <QCoreApplication>

namespace longlora::ui {

namespace {

/// Less says nothing about the rest.
constexpr double kLeastSeconds = 0.3;

QString tr(const char* text)
{
    return QCoreApplication::translate("ProgressEstimate", text);
}

} // namespace

void ProgressEstimate::update(const Progress& progress, double seconds)
{
    if (progress.phase != m_latest.phase || progress.done < m_latest.done) {
        m_began = seconds;
        m_first = progress.done;
    }
    m_latest = progress;
    m_now = seconds;
}

int ProgressEstimate::percent() const
{
    return m_latest.total > 0 ? static_cast<int>(100 * m_latest.done / m_latest.total) : 0;
}

double ProgressEstimate::rate() const
{
    const double elapsed = m_now - m_began;
    return elapsed < kLeastSeconds ? 0.0 : static_cast<double>(m_latest.done - m_first) / elapsed;
}

double ProgressEstimate::secondsLeft() const
{
    const double perSecond = rate();
    return perSecond > 0.0 ? static_cast<double>(m_latest.total - m_latest.done) / perSecond : -1.0;
}

QString ProgressEstimate::text() const
{
    const bool isBytes = m_latest.unit == "bytes";
    QString text =
        tr("%1 of %2")
            .arg(isBytes ? bytesText(static_cast<double>(m_latest.done)) : countText(m_latest.done),
                 isBytes ? bytesText(static_cast<double>(m_latest.total))
                         : countText(m_latest.total));
    if (!isBytes && !m_latest.unit.empty()) {
        text += u' ' + toQString(m_latest.unit);
    }
    if (rate() > 0.0) {
        text += isBytes ? tr(", %1/s").arg(bytesText(rate()))
                        : tr(", %1 %2/s").arg(numberText(rate(), 2), toQString(m_latest.unit));
    }
    if (secondsLeft() >= 0.0) {
        text += tr(", %1 left").arg(durationText(secondsLeft()));
    }
    return text;
}

} // namespace longlora::ui
