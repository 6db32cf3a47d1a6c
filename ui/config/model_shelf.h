// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/inspect/model_card.h"
#include "ui/background_job.h"

#include <QObject>
#include <QStringList>

#include <vector>

namespace longlora::ui {

/// The models at hand: those used lately and those of the local Hugging Face cache.
class ModelShelf : public QObject {
    Q_OBJECT

public:
    explicit ModelShelf(QObject* parent = nullptr);

    /// Newest first. Reads both lists anew.
    void setRecent(const QStringList& folders);
    /// Reads the lists in the background; refreshed() follows if anything is another.
    void refresh();

    const std::vector<ModelSummary>& recent() const { return m_lists.recent; }
    const std::vector<ModelSummary>& cached() const { return m_lists.cached; }

Q_SIGNALS:
    void refreshed();

private:
    struct Lists {
        std::vector<ModelSummary> recent;
        std::vector<ModelSummary> cached;
    };

    QStringList m_folders;
    Lists m_lists;
    BackgroundJob m_job;
};

/// "Llama, 134.5 M parameters, 257 MiB", or what is wrong with it.
QString summaryText(const ModelSummary& model);

} // namespace longlora::ui
