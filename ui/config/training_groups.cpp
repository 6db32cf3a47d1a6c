// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/training_groups.h"

#include "ui/config/config_form.h"
#include "ui/plots/plot_theme.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/flow_grid.h"

#include <QLabel>
#include <QVBoxLayout>

namespace longlora::ui {

OptimisationGroup::OptimisationGroup(ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Optimisation"), parent)
{
    auto* layout = new QVBoxLayout(this);
    FlowGrid* grid = makeFieldGrid(*this);
    grid->addWidget(form.integer("schedule.steps"));
    grid->addWidget(form.real("optimizer.learning_rate"));
    grid->addWidget(
        form.choice<ScheduleKind>("schedule.kind", {{ScheduleKind::Constant, tr("constant")},
                                                    {ScheduleKind::Cosine, tr("cosine")},
                                                    {ScheduleKind::Linear, tr("linear")}}));
    grid->addWidget(form.integer("schedule.warmup_steps"));
    grid->addWidget(form.integer("batch.micro_batch"));
    grid->addWidget(form.integer("batch.accumulation"));
    grid->addWidget(form.real("optimizer.beta1"));
    grid->addWidget(form.real("optimizer.beta2"));
    grid->addWidget(form.real("optimizer.epsilon"));
    grid->addWidget(form.real("optimizer.weight_decay"));
    grid->addWidget(form.real("optimizer.clip_norm"));
    grid->addWidget(form.integer("evaluation.every_steps", tr("never")));
    grid->addWidget(form.integer("checkpoint.every_steps", tr("at the end")));
    grid->addWidget(form.integer("checkpoint.keep"));
    grid->addWidget(form.integer("seed"));
    layout->addLayout(grid);
}

DeviceGroup::DeviceGroup(RunDraft& draft, ConfigForm& form, QWidget* parent)
    : QGroupBox(tr("Memory and device"), parent)
{
    auto* layout = new QVBoxLayout(this);
    FlowGrid* grid = makeFieldGrid(*this);
    grid->addWidget(form.choice<ComputePrecision>("precision.compute",
                                                  {{ComputePrecision::Auto, tr("automatic")},
                                                   {ComputePrecision::Bf16, tr("bf16")},
                                                   {ComputePrecision::Fp32, tr("fp32")},
                                                   {ComputePrecision::Fp64, tr("fp64")}}));
    grid->addWidget(
        form.choice<Quantization>("quantization", {{Quantization::None, tr("in full")},
                                                   {Quantization::Nf4, tr("4 bits (NF4)")}}));
    grid->addWidget(form.choice<RecomputeLevel>("memory.recompute",
                                                {{RecomputeLevel::Auto, tr("automatic")},
                                                 {RecomputeLevel::None, tr("nothing")},
                                                 {RecomputeLevel::Mlp, tr("MLP")},
                                                 {RecomputeLevel::Qkv, tr("MLP, q k v")},
                                                 {RecomputeLevel::Output, tr("all but attention")},
                                                 {RecomputeLevel::Full, tr("everything")}}));
    grid->addWidget(
        form.choice<OffloadMode>("memory.offload", {{OffloadMode::Auto, tr("if it must")},
                                                    {OffloadMode::On, tr("always")},
                                                    {OffloadMode::Off, tr("never")}}));
    grid->addWidget(
        form.choice<MomentFormat>("optimizer.moments", {{MomentFormat::Fp32, tr("in full")},
                                                        {MomentFormat::BFloat16, tr("bf16")},
                                                        {MomentFormat::EightBit, tr("8 bits")}}));
    grid->addWidget(form.choice<DeviceKind>("devices.kind", {{DeviceKind::Auto, tr("automatic")},
                                                             {DeviceKind::Cpu, tr("processor")},
                                                             {DeviceKind::Cuda, tr("GPU")}}));
    grid->addWidget(form.check("precision.deterministic"));
    auto* device = named(new QLabel(toQString(draft.device().name), this), "configureDevice",
                         tr("Computes on"));
    grid->addWidget(new FieldRow(tr("Computes on"), device));
    connect(&draft, &RunDraft::changed, device,
            [device, &draft] { device->setText(toQString(draft.device().name)); });
    layout->addLayout(grid);
}

} // namespace longlora::ui
