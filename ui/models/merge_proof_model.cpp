// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/merge_proof_model.h"

#include "ui/text_format.h"

namespace longlora::ui {

namespace {

/// Largest error, relative to the largest logit, that storing the merged weights in 16 bits leaves.
constexpr double kAcceptedRelativeError = 0.05;

double relativeError(const MergeReport& report)
{
    return report.maxAbsLogit > 0.0 ? report.maxAbsLogitError / report.maxAbsLogit : 0.0;
}

} // namespace

bool proofHolds(const MergeReport& report)
{
    return report.verified && report.rereadEqual && relativeError(report) <= kAcceptedRelativeError;
}

void MergeProofModel::setReport(const MergeReport& report)
{
    std::vector<Row> rows;
    if (report.verified) {
        const double agreement =
            static_cast<double>(report.sameTopToken) /
            static_cast<double>(std::max<std::int64_t>(1, report.comparedTokens));
        rows.push_back({tr("Tokens compared"), countText(report.comparedTokens),
                        tr("one text through base + adapter and through the merged model")});
        rows.push_back(
            {tr("Largest logit error"), numberText(report.maxAbsLogitError, 3),
             tr("%1 of the largest logit, %2")
                 .arg(numberText(relativeError(report), 2), numberText(report.maxAbsLogit, 3))});
        rows.push_back({tr("Mean logit error"), numberText(report.meanAbsLogitError, 3),
                        tr("over all tokens and the whole vocabulary")});
        rows.push_back(
            {tr("Same most likely token"),
             tr("%1 of %2").arg(countText(report.sameTopToken), countText(report.comparedTokens)),
             tr("%1 of the positions").arg(percentText(agreement))});
        if (report.drift) {
            const QuantizationDrift& drift = *report.drift;
            rows.push_back({tr("Mean logit change from 4 bits"),
                            numberText(drift.meanAbsLogitError, 3),
                            tr("trained over a base in 4 bits, merged into its full weights; same "
                               "most likely token at %1 positions")
                                .arg(countText(drift.sameTopToken))});
            rows.push_back(
                {tr("Perplexity of that text"), numberText(drift.mergedPerplexity, 4),
                 tr("%1 over the base in 4 bits").arg(numberText(drift.trainedPerplexity, 4))});
        }
        rows.push_back({tr("Read back equal"), report.rereadEqual ? tr("yes") : tr("no"),
                        tr("the files on the disk against what was to be written")});
    } else {
        rows.push_back({tr("Comparison"), tr("not made"), tr("verification was switched off")});
    }
    rows.push_back({tr("Rotary embedding"), toQString(report.rope),
                    tr("as written into the model's description")});
    rows.push_back({tr("Tensors"),
                    tr("%1, %2 of them changed")
                        .arg(countText(report.tensors), countText(report.mergedTensors)),
                    tr("stored as %1").arg(toQString(report.dtype))});
    const QString writing = durationText(report.mergeSeconds);
    rows.push_back({tr("Written"), bytesText(report.bytes),
                    report.files == 1
                        ? tr("in %1").arg(writing)
                        : tr("in %1, weights in %2 files").arg(writing, countText(report.files))});
    rows.push_back(
        {tr("Took"), durationText(report.seconds),
         report.verified ? tr("merging, writing and verifying") : tr("merging and writing")});
    beginResetModel();
    m_rows = std::move(rows);
    endResetModel();
}

void MergeProofModel::clear()
{
    beginResetModel();
    m_rows.clear();
    endResetModel();
}

int MergeProofModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int MergeProofModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumnCount;
}

QVariant MergeProofModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid() || (role != Qt::DisplayRole && role != Qt::ToolTipRole)) {
        return {};
    }
    const Row& row = m_rows[static_cast<std::size_t>(index.row())];
    return index.column() == Check    ? row.check
           : index.column() == Result ? row.result
                                      : row.meaning;
}

QVariant MergeProofModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return QAbstractTableModel::headerData(section, orientation, role);
    }
    return section == Check ? tr("Check") : section == Result ? tr("Result") : tr("What it says");
}

} // namespace longlora::ui
