// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGroupBox>

namespace longlora::ui {

class ConfigForm;
class RunDraft;

/// Steps, learning rate, batch, and how often to measure and save.
/// `form` outlives it.
class OptimisationGroup : public QGroupBox {
    Q_OBJECT

public:
    explicit OptimisationGroup(ConfigForm& form, QWidget* parent = nullptr);
};

/// Precision, and what the run computes on.
/// `draft` and `form` outlive it.
class DeviceGroup : public QGroupBox {
    Q_OBJECT

public:
    DeviceGroup(RunDraft& draft, ConfigForm& form, QWidget* parent = nullptr);
};

} // namespace longlora::ui
