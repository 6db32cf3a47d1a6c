// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/plots/time_plot.h"

#include <QSharedPointer>

class QCPAxisTicker;

namespace longlora::ui {

/// Ticks at round values of the format: bytes at powers of two, durations at minutes and hours.
/// `count`: about how many fit.
QSharedPointer<QCPAxisTicker> makeTicker(AxisFormat format, bool logarithmic, int count);

/// One value as the format writes it, for the cursor's readout.
QString formatValue(AxisFormat format, double value);

} // namespace longlora::ui
