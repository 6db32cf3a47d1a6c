// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"

#include <QGroupBox>

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QFormLayout;

namespace longlora::ui {

class ModelChooser;
class ModelShelf;
class PathEdit;

/// What is to be merged, into what, and where. A chosen adapter fills in the base it names and
/// proposes an output beside itself.
class MergeForm : public QGroupBox {
    Q_OBJECT

public:
    /// `shelf` outlives this.
    explicit MergeForm(ModelShelf& shelf, QWidget* parent = nullptr);

    MergeRequest request() const;
    bool isComplete() const;
    /// What to do before it is complete.
    QString missing() const;
    void setBase(const QString& folder);
    void setAdapter(const QString& folder);
    /// Offers to replace an output that exists.
    void setExisting(bool exists, double bytes);

Q_SIGNALS:
    /// After every edit of the user and every set function.
    void changed();
    /// The user chose a file for the base, which is no model folder yet.
    void openRequested(const QString& file);

private:
    void addPaths(QFormLayout& form, ModelShelf& shelf);
    void addKind(QFormLayout& form);
    void addChoices(QFormLayout& form);
    void chooseFormat();
    void proposeOutput();
    MergeFormat format() const;

    ModelChooser* m_base;
    PathEdit* m_adapter;
    PathEdit* m_output;
    QComboBox* m_format;
    QComboBox* m_dtype;
    QComboBox* m_positions;
    QDoubleSpinBox* m_shardSize; ///< 10^9 bytes
    QCheckBox* m_verify;
    QCheckBox* m_replace;
};

} // namespace longlora::ui
