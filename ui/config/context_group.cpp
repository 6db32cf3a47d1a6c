// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/context_group.h"

#include "ui/config/config_form.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/flow_grid.h"
#include "ui/widgets/s2_pattern_view.h"

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace longlora::ui {

namespace {

constexpr double kLargestFactor = 1024.0;

} // namespace

ContextGroup::ContextGroup(RunDraft& draft, ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Context"), parent)
    , m_draft(draft)
    , m_pattern(named(new S2PatternView(this), "configurePattern", tr("Attention pattern")))
{
    FlowGrid* grid = makeFieldGrid(*this);
    FieldRow* length = form.integer("context.length", tr("the model's own"));
    grid->addWidget(length);
    grid->addWidget(makeFactor());
    grid->addWidget(form.choice<ContextRope>("context.rope",
                                             {{ContextRope::Linear, tr("linear interpolation")},
                                              {ContextRope::Ntk, tr("NTK-aware")},
                                              {ContextRope::Yarn, tr("YaRN")},
                                              {ContextRope::Llama3, tr("Llama 3")},
                                              {ContextRope::None, tr("none: the model's own")}}));
    grid->addWidget(form.choice<AttentionKind>(
        "attention.kind",
        {{AttentionKind::S2, tr("shifted sparse (S2)")}, {AttentionKind::Full, tr("full")}}));
    FieldRow* mode = makeGroupMode();
    m_ratio = form.real("attention.group_ratio");
    m_group = makeGroupSize(form);
    FieldRow* edge = form.choice<GroupEdge>("attention.edge",
                                            {{GroupEdge::Clipped, tr("clipped (no leak)")},
                                             {GroupEdge::Circular, tr("circular (original)")}});
    FieldRow* finish = form.real("attention.full_final_fraction");
    m_sparseRows = {mode, edge, finish};
    for (FieldRow* row : {mode, m_ratio, m_group, edge, finish}) {
        grid->addWidget(row);
    }

    auto* layout = new QVBoxLayout(this);
    layout->addLayout(grid);
    layout->addSpacing(4);
    layout->addWidget(m_pattern);
    connect(&draft, &RunDraft::changed, this, &ContextGroup::showDraft);
    showDraft();
}

FieldRow* ContextGroup::makeFactor()
{
    m_factor = named(new QDoubleSpinBox, "contextFactor", tr("Factor"));
    m_factor->setToolTip(tr("Context length over the model's own; editing one changes the other."));
    m_factor->setRange(0.0, kLargestFactor);
    m_factor->setDecimals(2);
    m_factor->setPrefix(tr("x "));
    m_factor->setSpecialValueText(tr("model not read"));
    connect(m_factor, &QDoubleSpinBox::valueChanged, this, [this](double factor) {
        const std::int64_t own = m_draft.modelContext();
        if (own > 0 && factor > 0.0) {
            m_draft.edit([&](RunConfig& config) {
                config.context.length = std::llround(factor * static_cast<double>(own));
                // The stretch of the positions follows the length again.
                config.context.factor.reset();
            });
        }
    });
    return new FieldRow(tr("Factor"), m_factor);
}

FieldRow* ContextGroup::makeGroupMode()
{
    m_groupMode = named(new QComboBox, "contextGroupMode", tr("Groups"));
    m_groupMode->addItem(tr("part of the length"));
    m_groupMode->addItem(tr("fixed size"));
    m_groupMode->setToolTip(tr("Whether groups grow with the length or keep their size."));
    connect(m_groupMode, &QComboBox::currentIndexChanged, this, [this](int index) {
        m_draft.edit([&](RunConfig& config) {
            if (index == 0) {
                config.attention.group.reset();
            } else {
                const std::int64_t length = std::max<std::int64_t>(8, m_draft.rowTokens());
                config.attention.group = groupSize(config.attention, length);
            }
        });
    });
    return new FieldRow(tr("Groups"), m_groupMode);
}

FieldRow* ContextGroup::makeGroupSize(ConfigForm& form)
{
    auto* spin = new QSpinBox;
    spin->setRange(2, 1 << 24);
    spin->setGroupSeparatorShown(true);
    spin->setSuffix(tr(" tokens"));
    spin->setStepType(QAbstractSpinBox::AdaptiveDecimalStepType);
    connect(spin, &QSpinBox::valueChanged, this, [this](int value) {
        m_draft.edit([&](RunConfig& config) { config.attention.group = value; });
    });
    return form.custom("attention.group", spin, [spin](const RunConfig& config) {
        const QSignalBlocker blocker(spin);
        spin->setValue(static_cast<int>(config.attention.group.value_or(spin->minimum())));
    });
}

void ContextGroup::showDraft()
{
    const RunConfig& config = m_draft.config();
    const std::int64_t own = m_draft.modelContext();
    const std::int64_t length = m_draft.rowTokens();
    const double factor = own > 0 ? static_cast<double>(length) / static_cast<double>(own) : 0.0;
    {
        const QSignalBlocker blockFactor(m_factor);
        const QSignalBlocker blockMode(m_groupMode);
        m_factor->setEnabled(own > 0);
        // Rounding what the user types would fight with them.
        if (std::abs(m_factor->value() - factor) > 0.005) {
            m_factor->setValue(factor);
        }
        m_groupMode->setCurrentIndex(config.attention.group ? 1 : 0);
    }
    const bool sparse = config.attention.kind == AttentionKind::S2;
    for (FieldRow* row : std::as_const(m_sparseRows)) {
        row->setVisible(sparse);
    }
    m_ratio->setVisible(sparse && !config.attention.group);
    m_group->setVisible(sparse && config.attention.group);

    std::optional<S2Pattern> pattern;
    if (sparse && length > 1) {
        const std::int64_t group =
            std::clamp<std::int64_t>(groupSize(config.attention, length), 1, length);
        pattern = S2Pattern{length, group, config.attention.edge};
    }
    m_pattern->setPattern(length, pattern);
}

} // namespace longlora::ui
