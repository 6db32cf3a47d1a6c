// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/config/field_catalog.h"

#include "core/spec/config/run_config_fields.h"
#include "ui/text_format.h"

#include <QCoreApplication>

#include <cassert>
#include <cmath>
#include <optional>
#include <string>

namespace longlora::ui {

namespace {

/// Walks all options and calls `found(field, value)` at the one wanted.
template <class Found>
struct KeyVisitor {
    std::string_view wanted;
    Found found;
    std::string prefix = {};

    template <class Value>
    void field(const Field& description, Value& value)
    {
        if (prefix + std::string(description.key) == wanted) {
            found(description, value);
        }
    }
    template <class Group>
    void group(std::string_view key, std::string_view, Group& value)
    {
        const std::string outer = prefix;
        prefix += std::string(key) + '.';
        if (wanted.substr(0, prefix.size()) == prefix) {
            visitFields(value, *this);
        }
        prefix = outer;
    }
};

QString translated(std::string_view english)
{
    return QCoreApplication::translate("longlora::Field", std::string(english).c_str());
}

QString rangeText(const Field& field)
{
    if (!std::isfinite(field.minimum) || !std::isfinite(field.maximum)) {
        return {};
    }
    return QCoreApplication::translate("longlora::ui::FieldCatalog", "%1 to %2 %3")
        .arg(numberText(field.minimum), numberText(field.maximum), translated(field.unit))
        .trimmed();
}

} // namespace

Field fieldOf(std::string_view dottedKey)
{
    RunConfig config;
    std::optional<Field> result;
    auto take = [&result](const Field& field, auto&) { result = field; };
    KeyVisitor<decltype(take)> visitor{dottedKey, take};
    visitFields(config, visitor);
    assert(result);
    return *result;
}

QString fieldLabel(std::string_view dottedKey)
{
    return translated(fieldOf(dottedKey).label);
}

QString fieldToolTip(std::string_view dottedKey)
{
    const Field field = fieldOf(dottedKey);
    QString text = QLatin1String("<p>") + translated(field.doc).toHtmlEscaped();
    if (const QString range = rangeText(field); !range.isEmpty()) {
        text += QLatin1String("</p><p>") + range.toHtmlEscaped();
    }
    return text + QLatin1String("</p><p><code>") + toQString(dottedKey) +
           QLatin1String("</code></p>");
}

QString fieldUnit(std::string_view dottedKey, std::int64_t count)
{
    std::string_view unit = fieldOf(dottedKey).unit;
    if (unit.empty()) {
        return {};
    }
    if (count == 1 && unit.back() == 's') {
        unit.remove_suffix(1);
    }
    return u' ' + translated(unit);
}

template <class Value>
Value& fieldValue(RunConfig& config, std::string_view dottedKey)
{
    Value* result = nullptr;
    auto take = [&result](const Field&, auto& value) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, Value>) {
            result = &value;
        }
    };
    KeyVisitor<decltype(take)> visitor{dottedKey, take};
    visitFields(config, visitor);
    assert(result != nullptr);
    return *result;
}

template std::string& fieldValue(RunConfig&, std::string_view);
template std::int64_t& fieldValue(RunConfig&, std::string_view);
template double& fieldValue(RunConfig&, std::string_view);
template bool& fieldValue(RunConfig&, std::string_view);
template std::optional<std::int64_t>& fieldValue(RunConfig&, std::string_view);
template std::optional<double>& fieldValue(RunConfig&, std::string_view);
template std::vector<std::string>& fieldValue(RunConfig&, std::string_view);
template ContextRope& fieldValue(RunConfig&, std::string_view);
template AttentionKind& fieldValue(RunConfig&, std::string_view);
template GroupEdge& fieldValue(RunConfig&, std::string_view);
template Packing& fieldValue(RunConfig&, std::string_view);
template ScheduleKind& fieldValue(RunConfig&, std::string_view);
template ComputePrecision& fieldValue(RunConfig&, std::string_view);
template TrainingMethod& fieldValue(RunConfig&, std::string_view);
template Quantization& fieldValue(RunConfig&, std::string_view);
template RecomputeLevel& fieldValue(RunConfig&, std::string_view);
template OffloadMode& fieldValue(RunConfig&, std::string_view);
template MomentFormat& fieldValue(RunConfig&, std::string_view);
template DeviceKind& fieldValue(RunConfig&, std::string_view);

} // namespace longlora::ui
