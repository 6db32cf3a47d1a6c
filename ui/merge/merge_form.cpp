// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/merge_form.h"

#include "core/spec/inspect/adapter_base.h"
#include "ui/config/model_chooser.h"
#include "ui/text_format.h"
#include "ui/widget_name.h"
#include "ui/widgets/path_edit.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QLabel>
#include <QSignalBlocker>

#include <algorithm>
#include <optional>

namespace longlora::ui {

namespace {

constexpr double kGigabyte = 1e9;

QComboBox* makeChoice(QWidget* parent, const char* objectName, const QString& accessibleName)
{
    auto* box = named(new QComboBox(parent), objectName, accessibleName);
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    return box;
}

} // namespace

MergeForm::MergeForm(ModelShelf& shelf, QWidget* parent)
    : QGroupBox(tr("What to merge"), parent)
{
    auto* form = new QFormLayout(this);
    form->setRowWrapPolicy(QFormLayout::WrapLongRows);
    addPaths(*form, shelf);
    addKind(*form);
    addChoices(*form);
    chooseFormat();
}

void MergeForm::addPaths(QFormLayout& form, ModelShelf& shelf)
{
    using Kind = PathEdit::Kind;
    m_base = new ModelChooser(shelf, "mergeBase", tr("Base model folder"), this);
    m_adapter = new PathEdit(Kind::ExistingFolder, "mergeAdapter", tr("Adapter folder"), this);
    m_output = new PathEdit(Kind::NewFolder, "mergeOutput", tr("Output"), this);
    m_adapter->setAcceptDrops(false); // the page knows which field it belongs to
    m_base->setPlaceholder(tr("Hugging Face folder the adapter was trained on; drop it here"));
    m_adapter->setPlaceholder(tr("adapter folder of a finished run; drop it here"));
    m_output->setPlaceholder(tr("a new name for the merged model"));
    form.addRow(tr("Base"), m_base);
    form.addRow(tr("Adapter"), m_adapter);
    connect(m_base, &ModelChooser::pathChanged, this, &MergeForm::changed);
    connect(m_base, &ModelChooser::fileChosen, this, &MergeForm::openRequested);
    connect(m_adapter, &PathEdit::pathChanged, this, &MergeForm::setAdapter);
    connect(m_output, &PathEdit::pathChanged, this, &MergeForm::changed);
}

void MergeForm::addKind(QFormLayout& form)
{
    m_format = makeChoice(this, "mergeFormat", tr("Write as"));
    m_format->addItem(tr("Hugging Face folder (safetensors)"),
                      static_cast<int>(MergeFormat::Safetensors));
    m_format->addItem(tr("GGUF file (llama.cpp)"), static_cast<int>(MergeFormat::Gguf));
    m_dtype = makeChoice(this, "mergeDtype", tr("Stored as"));
    m_dtype->setToolTip(tr("Merged in fp32 in any case, and rounded once to this"));
    m_shardSize = named(new QDoubleSpinBox(this), "mergeShardSize", tr("Largest file"));
    m_shardSize->setRange(0.1, 1000.0);
    m_shardSize->setDecimals(1);
    m_shardSize->setValue(MergeRequest().maxShardBytes / kGigabyte);
    m_shardSize->setPrefix(tr("files up to "));
    m_shardSize->setSuffix(tr(" GB"));
    auto* row = new QHBoxLayout;
    row->addWidget(m_format);
    row->addWidget(m_dtype);
    row->addWidget(m_shardSize);
    row->addStretch();
    form.addRow(tr("Write as"), row);
    form.addRow(tr("Output"), m_output);
    connect(m_format, &QComboBox::currentIndexChanged, this, [this] {
        chooseFormat();
        proposeOutput();
        Q_EMIT changed();
    });
    connect(m_dtype, &QComboBox::currentIndexChanged, this, &MergeForm::changed);
    connect(m_shardSize, &QDoubleSpinBox::valueChanged, this, &MergeForm::changed);
}

void MergeForm::addChoices(QFormLayout& form)
{
    m_positions = makeChoice(this, "mergePositions", tr("Context limit in config.json"));
    m_positions->addItem(tr("the base's, times the factor (as LongLoRA)"),
                         static_cast<int>(PositionLimit::Original));
    m_positions->addItem(tr("the trained length (as llama.cpp reads it)"),
                         static_cast<int>(PositionLimit::TrainedLength));
    m_positions->setToolTip(tr("max_position_embeddings; angles are the same either way"));
    m_verify = named(new QCheckBox(tr("Verif&y: read back, and compare logits"), this),
                     "mergeVerify", tr("Verify the merge"));
    m_verify->setChecked(true);
    m_replace = named(new QCheckBox(this), "mergeReplace", tr("Replace the output that exists"));
    auto* row = new QHBoxLayout;
    row->addWidget(m_positions);
    row->addSpacing(12);
    row->addWidget(m_verify);
    row->addStretch();
    form.addRow(tr("Context limit"), row);
    form.addRow(QString(), m_replace);
    setExisting(false, 0.0);
    connect(m_positions, &QComboBox::currentIndexChanged, this, &MergeForm::changed);
    connect(m_verify, &QCheckBox::toggled, this, &MergeForm::changed);
    connect(m_replace, &QCheckBox::toggled, this, &MergeForm::changed);
}

MergeFormat MergeForm::format() const
{
    return static_cast<MergeFormat>(m_format->currentData().toInt());
}

void MergeForm::chooseFormat()
{
    const bool isGguf = format() == MergeFormat::Gguf;
    const QSignalBlocker quiet(m_dtype);
    const QString before = m_dtype->currentData().toString();
    m_dtype->clear();
    m_dtype->addItem(tr("as the base is stored"), QStringLiteral("auto"));
    for (const char* type : {"bf16", "f16", "fp32"}) {
        m_dtype->addItem(QLatin1String(type), QLatin1String(type));
    }
    if (isGguf) {
        m_dtype->addItem(QStringLiteral("q8_0"), QStringLiteral("q8_0"));
    }
    m_dtype->setCurrentIndex(std::max(0, m_dtype->findData(before)));
    m_shardSize->setVisible(!isGguf);
    m_output->setKind(isGguf ? PathEdit::Kind::NewFile : PathEdit::Kind::NewFolder);
}

void MergeForm::proposeOutput()
{
    // A GGUF is one file, and says so by its name.
    QString output = m_output->path();
    const QLatin1String ending(".gguf");
    if (format() == MergeFormat::Gguf && !output.isEmpty() && !output.endsWith(ending)) {
        m_output->setPath(output + ending);
    } else if (format() == MergeFormat::Safetensors && output.endsWith(ending)) {
        m_output->setPath(output.chopped(ending.size()));
    }
}

MergeRequest MergeForm::request() const
{
    MergeRequest request;
    request.base = toPath(m_base->path());
    request.adapter = toPath(m_adapter->path());
    request.output = toPath(m_output->path());
    request.dtype = m_dtype->currentData().toString().toStdString();
    request.verify = m_verify->isChecked();
    request.format = format();
    request.positions = static_cast<PositionLimit>(m_positions->currentData().toInt());
    request.maxShardBytes = m_shardSize->value() * kGigabyte;
    request.replace = m_replace->isVisibleTo(this) && m_replace->isChecked();
    return request;
}

bool MergeForm::isComplete() const
{
    return !m_base->path().isEmpty() && !m_adapter->path().isEmpty() && !m_output->path().isEmpty();
}

QString MergeForm::missing() const
{
    const std::string base =
        m_base->path().isEmpty() ? namedBase(toPath(m_adapter->path())) : std::string();
    return base.empty() ? tr("Choose a base, an adapter and an output: what the merge needs is "
                             "shown here.")
                        : tr("The adapter was trained on %1, which was not found on this machine: "
                             "choose its folder as the base.")
                              .arg(toQString(base));
}

void MergeForm::setBase(const QString& folder)
{
    m_base->setPath(folder);
    Q_EMIT changed();
}

void MergeForm::setAdapter(const QString& folder)
{
    m_adapter->setPath(folder);
    if (!folder.isEmpty()) {
        // The adapter of a run lies in the run's folder; the model is put beside it.
        auto path = toPath(folder).lexically_normal();
        path = path.has_filename() ? path : path.parent_path(); // written with a slash at its end
        m_output->setPath(pathText(path.parent_path() / "merged"));
        proposeOutput();
        const auto base = m_base->path().isEmpty() ? findNamedBase(toPath(folder)) : std::nullopt;
        if (base) {
            m_base->setPath(pathText(*base));
        }
    }
    Q_EMIT changed();
}

void MergeForm::setExisting(bool exists, double bytes)
{
    m_replace->setVisible(exists);
    m_replace->setText(tr("&Replace what is there (%1): it is kept beside it, Undo brings it back")
                           .arg(bytesText(bytes)));
    if (!exists) {
        const QSignalBlocker quiet(m_replace);
        m_replace->setChecked(false);
    }
}

} // namespace longlora::ui
