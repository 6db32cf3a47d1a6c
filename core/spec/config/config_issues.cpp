// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/config/config_issues.h"

#include "core/spec/base/error.h"
#include "core/spec/base/nearest_name.h"
#include "core/spec/base/units.h"
#include "core/spec/config/model_weights.h"
#include "core/spec/config/run_config_fields.h"
#include "core/spec/plan/layer_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace longlora {

namespace {

class IssueList {
public:
    void error(std::string field, std::string message, std::string suggestion = {})
    {
        add(std::move(field), Severity::Error, std::move(message), std::move(suggestion));
    }
    void warning(std::string field, std::string message, std::string suggestion = {})
    {
        add(std::move(field), Severity::Warning, std::move(message), std::move(suggestion));
    }
    void note(std::string field, std::string message)
    {
        add(std::move(field), Severity::Note, std::move(message), {});
    }
    /// What the contract knows and this version cannot do.
    void unavailable(std::string field, std::string_view value, std::string_view instead,
                     std::string suggestion)
    {
        std::string message =
            fmt::format("{} is not available in this version; use {}", value, instead);
        error(std::move(field), std::move(message), std::move(suggestion));
        m_issues.back().isUnavailable = true;
    }
    std::vector<ConfigIssue> take() { return std::move(m_issues); }

private:
    void add(std::string field, Severity severity, std::string message, std::string suggestion)
    {
        m_issues.push_back({std::move(field), severity, std::move(message), std::move(suggestion)});
    }
    std::vector<ConfigIssue> m_issues;
};

/// Every number against the range that its description gives.
struct RangeCheck {
    IssueList& issues;
    std::string prefix;

    void field(const Field& field, const std::int64_t& value)
    {
        check(field, static_cast<double>(value), true);
    }
    void field(const Field& field, const double& value) { check(field, value, false); }
    void field(const Field& description, const std::optional<std::int64_t>& value)
    {
        if (value) {
            field(description, *value);
        }
    }
    void field(const Field& description, const std::optional<double>& value)
    {
        if (value) {
            field(description, *value);
        }
    }
    template <class T>
    void field(const Field&, const T&)
    {}
    template <class Group>
    void group(std::string_view key, std::string_view, const Group& group)
    {
        RangeCheck nested{issues, std::string(key) + "."};
        visitFields(group, nested);
    }

private:
    void check(const Field& field, double value, bool whole)
    {
        if (value >= field.minimum && value <= field.maximum) {
            return;
        }
        const double nearest =
            std::isnan(value) ? field.minimum : std::clamp(value, field.minimum, field.maximum);
        issues.error(prefix + std::string(field.key),
                     fmt::format("{} is outside {} to {}", value, field.minimum, field.maximum),
                     whole ? fmt::format("{:.0f}", nearest) : fmt::format("{}", nearest));
    }
};

void checkInputs(const RunConfig& config, IssueList& issues)
{
    const auto isEmpty = [](const std::string& file) { return file.empty(); };
    if (config.model.empty()) {
        issues.error("model", "no model folder is chosen");
    }
    if (config.data.train.empty()) {
        issues.error("data.train", "no training file is chosen");
    } else if (std::ranges::any_of(config.data.train, isEmpty)) {
        issues.error("data.train", "a training file has an empty name");
    }
    if (std::ranges::any_of(config.data.validation, isEmpty)) {
        issues.error("data.validation", "a held-out file has an empty name");
    }
    if (config.data.chatTemplate != "auto") {
        issues.unavailable("data.template", config.data.chatTemplate, "auto", "\"auto\"");
    }
}

void checkAttention(const RunConfig& config, const ModelConfig* model, IssueList& issues)
{
    const AttentionConfig& attention = config.attention;
    if (attention.kind == AttentionKind::Full) {
        if (attention.fullFinalFraction > 0.0) {
            issues.note("attention.full_final_fraction",
                        "has no effect: all steps run with full attention");
        }
        return;
    }
    if (attention.group && *attention.group > 1 && *attention.group % 2 != 0) {
        issues.error("attention.group",
                     fmt::format("group size {} is odd; half of it is the shift",
                                 formatCount(*attention.group)),
                     fmt::format("{}", *attention.group - 1));
    }
    const std::int64_t length =
        model != nullptr ? rowLength(*model, config) : config.context.length;
    if (length > 0 && attention.group && *attention.group > length) {
        issues.warning("attention.group",
                       fmt::format("group size {} is larger than the context of {}: plain heads "
                                   "see everything",
                                   formatCount(*attention.group), formatCount(length)),
                       fmt::format("{}", groupSize(AttentionConfig(), length)));
    }
    const std::int64_t window = model != nullptr ? model->slidingWindow : 0;
    if (attention.edge == GroupEdge::Circular && window > 0 &&
        groupSize(attention, length) > window) {
        issues.error(
            "attention.edge",
            fmt::format("the circular edge cannot keep the model's sliding window of {} in "
                        "groups of {}",
                        formatCount(window), formatCount(groupSize(attention, length))),
            "\"clipped\"");
    }
    if (attention.edge == GroupEdge::Circular && config.data.maskDocuments) {
        issues.warning("attention.edge",
                       "the circular edge cannot keep documents apart: a run ends at the first "
                       "row that holds several, unless data.mask_documents is off",
                       "\"clipped\"");
    }
}

std::string jsonList(const std::vector<std::string>& names)
{
    return fmt::format("[\"{}\"]", fmt::join(names, "\", \""));
}

/// Each must be a projection of the model, or of any family while there is no model.
void checkTargets(const LoraConfig& lora, const ModelConfig* model, IssueList& issues)
{
    const std::vector<std::string> all = knownLoraTargets();
    const std::vector<std::string> known = model != nullptr ? loraTargets(*model) : all;
    const std::string of = model != nullptr ? " of " + model->architecture : "";
    std::set<std::string_view> seen;
    for (const std::string& target : lora.targets) {
        const bool isKnown = std::ranges::find(known, target) != known.end();
        if (!isKnown && std::ranges::find(all, target) != all.end()) {
            issues.error("lora.targets",
                         fmt::format("\"{}\" is no projection{}; known: {}", target, of,
                                     fmt::join(known, ", ")),
                         jsonList(loraTargets(*model, true)));
        } else if (!isKnown) {
            const std::vector<std::string_view> names(known.begin(), known.end());
            const std::string meant = nearestName(target, names);
            issues.error("lora.targets",
                         fmt::format("\"{}\" is no projection{}; {}", target, of,
                                     meant.empty()
                                         ? fmt::format("known: {}", fmt::join(known, ", "))
                                         : "did you mean " + meant + "?"));
        } else if (!seen.insert(target).second) {
            issues.error("lora.targets", "\"" + target + "\" stands twice");
        }
    }
}

void checkMethod(const RunConfig& config, const ModelConfig* model, IssueList& issues)
{
    if (config.quantization == Quantization::Nf4 && config.method == TrainingMethod::Full) {
        issues.error("quantization",
                     "nf4 is for weights that stay as they are, and method full "
                     "trains them all",
                     "\"none\"");
    }
    if (config.method == TrainingMethod::Full) {
        return;
    }
    const LoraConfig& lora = config.lora;
    checkTargets(lora, model, issues);
    if (lora.targets.empty() && !lora.trainEmbeddings && !lora.trainNorms) {
        issues.error("lora.targets", "nothing is trained: no target, no embeddings, no norms",
                     jsonList(loraTargets(model != nullptr ? *model : ModelConfig(), true)));
    }
    if (lora.dropout > 0.0) {
        issues.unavailable("lora.dropout", "above 0", "0", "0");
    }
}

void checkSchedule(const ScheduleConfig& schedule, IssueList& issues)
{
    if (!schedule.epochs && schedule.warmupSteps > schedule.steps) {
        issues.warning("schedule.warmup_steps",
                       fmt::format("the warm-up of {} is longer than the {} steps of the run: the "
                                   "learning rate never reaches its value",
                                   formatCount(schedule.warmupSteps), formatCount(schedule.steps)),
                       fmt::format("{}", schedule.steps / 10));
    }
}

void checkResources(const RunConfig& config, IssueList& issues)
{
    if (config.memory.offload == OffloadMode::On && config.devices.kind == DeviceKind::Cpu) {
        issues.error("memory.offload",
                     "memory.offload on moves hidden states from a GPU to the machine's memory, "
                     "and devices.kind is cpu",
                     "\"auto\"");
    }
    if (config.memory.tile != "auto" && !namedTileTokens(config.memory.tile)) {
        issues.error("memory.tile",
                     "memory.tile " + config.memory.tile +
                         " is neither auto nor a number of tokens",
                     "\"auto\"");
    }
    if (config.devices.ranks > 1) {
        issues.unavailable("devices.ranks", fmt::format("{}", config.devices.ranks), "1", "1");
    }
    const std::int64_t sharing = config.devices.sequenceParallel;
    if (sharing > 1 && config.devices.ranks > 1 && config.devices.ranks % sharing != 0) {
        issues.error("devices.sequence_parallel",
                     fmt::format("{} devices that share a row do not divide the {} of the run",
                                 sharing, config.devices.ranks),
                     "1");
    } else if (sharing > 1) {
        issues.unavailable("devices.sequence_parallel",
                           fmt::format("{}", config.devices.sequenceParallel), "1", "1");
    }
    if (config.devices.kind == DeviceKind::Cuda &&
        config.precision.compute == ComputePrecision::Fp64) {
        issues.error("precision.compute", "attention in fp64 is not available on a GPU",
                     "\"fp32\"");
    }
    if (config.evaluation.passkeyEverySteps > 0) {
        issues.unavailable("evaluation.passkey_every_steps", "above 0", "0", "0");
    }
}

void checkContext(const ContextConfig& context, IssueList& issues)
{
    if (context.length == 1) {
        issues.error("context.length", "a row of 1 token has nothing to predict", "2");
    }
}

/// What extendedRope would refuse, said beside its field; then what the user should know.
void checkExtension(const ContextConfig& context, const ModelConfig& model, IssueList& issues)
{
    const std::int64_t own = model.contextLength();
    const std::string ownText = formatCount(own);
    if (context.rope == ContextRope::None) {
        if (context.length > own) {
            issues.warning("context.rope",
                           fmt::format("the model has never seen positions from {} on, and none "
                                       "leaves them as they are",
                                       ownText),
                           "\"linear\"");
        }
        return;
    }
    try {
        const RopeScaling rope = extendedRope(model, context);
        if (context.length > 0 && context.length <= own && rope != model.rope) {
            issues.note("context.factor",
                        fmt::format("positions are stretched although rows of {} fit the model's "
                                    "own context of {}",
                                    formatCount(context.length), ownText));
        } else if (context.length > 0 && context.length < own) {
            issues.note("context.length",
                        fmt::format("shorter than the model's own context of {}: its rotary "
                                    "embedding stays as it is",
                                    ownText));
        }
    } catch (const ConfigError& error) {
        const double reached = context.factor.value_or(1.0) * static_cast<double>(own);
        if (context.factor && static_cast<double>(context.length) > std::floor(reached)) {
            issues.error("context.factor", error.what(),
                         fmt::format("{}", (context.length + own - 1) / own));
        } else {
            issues.error("context.rope", error.what(),
                         "\"" + contextRopeName(model.rope.kind) + "\"");
        }
    }
}

} // namespace

std::vector<ConfigIssue> validate(const RunConfig& config, const ModelConfig* model)
{
    IssueList issues;
    RangeCheck ranges{issues, {}};
    visitFields(config, ranges);
    checkInputs(config, issues);
    checkContext(config.context, issues);
    if (model != nullptr) {
        checkExtension(config.context, *model, issues);
    }
    checkAttention(config, model, issues);
    checkMethod(config, model, issues);
    checkSchedule(config.schedule, issues);
    checkResources(config, issues);
    return issues.take();
}

void requireValid(const RunConfig& config, const ModelConfig* model)
{
    for (const ConfigIssue& issue : validate(config, model)) {
        if (issue.severity == Severity::Error) {
            throw ConfigError(issue.field + ": " + issue.message,
                              issue.suggestion.empty()
                                  ? std::string()
                                  : "Suggested: " + issue.field + "=" + issue.suggestion + ".");
        }
    }
}

} // namespace longlora
