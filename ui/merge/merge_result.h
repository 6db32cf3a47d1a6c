// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/run/merge_service.h"

#include <QGroupBox>

class QLabel;
class QPushButton;
class QTableView;

namespace longlora::ui {

class MergeProofModel;

/// What a merge came to: verdict, proof, and what can be done with it now. An output that was
/// replaced can be brought back, and put away again.
class MergeResult : public QGroupBox {
    Q_OBJECT

public:
    explicit MergeResult(QWidget* parent = nullptr);

    /// Nothing yet, or nothing any more; `note` says why.
    void clear(const QString& note);
    void showReport(const MergeRequest& request, const MergeReport& report);

Q_SIGNALS:
    void chatRequested(const QString& modelFolder);
    /// What lies under the output's name is another one now.
    void exchanged();
    void failed(const QString& what, const QString& why, const QString& remedy);

private:
    void exchange();
    void updateButtons();

    QLabel* m_verdict;
    QLabel* m_note;
    QTableView* m_proof;
    MergeProofModel* m_model;
    QPushButton* m_chat;
    QPushButton* m_undo;
    MergeRequest m_request;
    std::filesystem::path m_kept; ///< where the older output lies, or after Undo the newer
    double m_keptBytes = 0.0;
    bool m_hasReport = false;
    bool m_isUndone = false;
};

} // namespace longlora::ui
