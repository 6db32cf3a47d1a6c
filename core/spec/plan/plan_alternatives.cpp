// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spec/plan/plan_alternatives.h"

#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"
#include "core/spec/config/run_config_enums.h"
#include "core/spec/plan/device_table.h"
#include "core/spec/plan/frontier.h"
#include "core/spec/plan/memory_planner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace longlora {

namespace {

using Settings = std::vector<std::string>;

/// No context is offered below the model's own, or below this part of the one asked for.
constexpr std::int64_t kShortestPart = 8;

std::set<std::string> errorFields(const RunConfig& config, const ModelConfig& model)
{
    std::set<std::string> fields;
    for (const ConfigIssue& issue : validate(config, &model)) {
        if (issue.severity == Severity::Error) {
            fields.insert(issue.field);
        }
    }
    return fields;
}

/// Tries settings on one run and one device, and remembers those that fit.
class FitSearch {
public:
    FitSearch(const ModelConfig& model, const RunConfig& config, const DeviceProfile& device,
              std::size_t count)
        : m_model(model)
        , m_config(config)
        , m_device(device)
        , m_count(count)
        , m_errors(errorFields(config, model))
    {}

    const ModelConfig& model() const { return m_model; }
    const RunConfig& config() const { return m_config; }
    const DeviceProfile& device() const { return m_device; }
    bool isDone() const { return m_found.size() >= m_count; }
    std::vector<PlanAlternative> take() { return std::move(m_found); }

    RunConfig with(const Settings& settings) const
    {
        RunConfig changed = m_config;
        for (const std::string& setting : settings) {
            applySetting(changed, setting);
        }
        return changed;
    }

    /// Whether the run fits with them; if so, it is an alternative.
    bool offer(const Settings& settings)
    {
        const RunConfig changed = with(settings);
        if (isDone() || changed == m_config || isKnown(changed) || !isSound(changed)) {
            return false;
        }
        const PlanOutline outline = outlinePlan(m_model, changed, m_device);
        const double peak = outline.peakBytes;
        if (!outline.hostFits || verdictOf(peak, m_device.memoryBytes) != PlanVerdict::Fits) {
            return false;
        }
        m_found.push_back({settings, {}, peak, m_device.memoryBytes, changed});
        return true;
    }

    /// The run with `settings` on another device.
    void offerDevice(const KnownDevice& known, const Settings& settings)
    {
        const bool isOffered = std::ranges::any_of(
            m_found, [&](const PlanAlternative& found) { return found.device == known.name; });
        if (isDone() || isOffered) {
            return;
        }
        const DeviceProfile other = profileOf(known);
        const RunConfig changed = with(settings);
        const double peak = outlinePlan(m_model, changed, other).peakBytes;
        if (verdictOf(peak, other.memoryBytes) == PlanVerdict::Fits) {
            m_found.push_back(
                {settings, std::string(known.name), peak, other.memoryBytes, changed});
        }
    }

private:
    /// Has no error that the run has not without it.
    bool isSound(const RunConfig& changed) const
    {
        const std::set<std::string> errors = errorFields(changed, m_model);
        return std::includes(m_errors.begin(), m_errors.end(), errors.begin(), errors.end());
    }
    bool isKnown(const RunConfig& changed) const
    {
        return std::ranges::any_of(
            m_found, [&](const PlanAlternative& found) { return found.config == changed; });
    }

    const ModelConfig& m_model;
    const RunConfig& m_config;
    const DeviceProfile& m_device;
    std::size_t m_count;
    std::set<std::string> m_errors;
    std::vector<PlanAlternative> m_found;
};

Settings joined(Settings first, const Settings& second)
{
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

/// Each list from the least change on; results stay the same with all of these.
std::vector<std::vector<Settings>> harmlessChanges(const FitSearch& search)
{
    const RunConfig& config = search.config();
    std::vector<std::vector<Settings>> changes(4);
    if (config.memory.recompute != RecomputeLevel::Auto) {
        for (const RecomputeLevel level : {RecomputeLevel::Mlp, RecomputeLevel::Qkv,
                                           RecomputeLevel::Output, RecomputeLevel::Full}) {
            if (level > config.memory.recompute) {
                changes[0].push_back({fmt::format("memory.recompute={}", enumName(level))});
            }
        }
    }
    const std::int64_t micro = config.batch.microBatch;
    const std::int64_t rows = micro * std::max<std::int64_t>(1, config.batch.accumulation);
    for (std::int64_t fewer = micro - 1; fewer >= 1; --fewer) {
        if (rows % fewer == 0) {
            changes[1].push_back({fmt::format("batch.micro_batch={}", fewer),
                                  fmt::format("batch.accumulation={}", rows / fewer)});
        }
    }
    for (std::int64_t tile = mlpTileTokens(config) / 2; tile >= 128; tile /= 2) {
        changes[2].push_back({fmt::format("memory.tile={}", tile)});
    }
    if (config.memory.offload == OffloadMode::On) {
        changes[3].push_back({"memory.offload=auto"});
    }
    return changes;
}

/// The last of recompute and of micro-batch; tiles matter little beside them.
Settings allHarmless(const std::vector<std::vector<Settings>>& changes)
{
    Settings all;
    for (const std::size_t list : {std::size_t{0}, std::size_t{1}}) {
        if (!changes[list].empty()) {
            all = joined(all, changes[list].back());
        }
    }
    return all;
}

/// With what is set already, the longest context that fits.
std::optional<Settings> shorterContext(const FitSearch& search, const Settings& beside)
{
    const RunConfig changed = search.with(beside);
    DeviceProfile roomy = search.device();
    roomy.memoryBytes *= kRoomyShare;
    const std::int64_t longest = planMemory(search.model(), changed, roomy).largestContext;
    const std::int64_t asked = rowLength(search.model(), changed);
    if (longest < std::min(search.model().contextLength(), asked / kShortestPart) ||
        longest >= asked || longest < 2) {
        return std::nullopt;
    }
    return joined(beside, {fmt::format("context.length={}", longest)});
}

std::vector<Settings> otherChanges(const FitSearch& search)
{
    const RunConfig& config = search.config();
    std::vector<Settings> changes;
    if (search.device().resolved(config.precision.compute) != ComputePrecision::Bf16) {
        changes.push_back({"precision.compute=bf16"});
    }
    if (config.method == TrainingMethod::Lora && config.quantization == Quantization::None) {
        changes.push_back({"quantization=nf4"});
    }
    if (config.method == TrainingMethod::Full) {
        changes.push_back({"method=lora"});
    } else if (config.lora.trainEmbeddings) {
        changes.push_back({"lora.train_embeddings=false"});
    }
    if (config.attention.kind == AttentionKind::Full) {
        changes.push_back({"attention.kind=s2"});
    }
    return changes;
}

/// A shorter context with `beside`, and each other change with it.
void offerWith(FitSearch& search, const Settings& beside)
{
    if (const auto shorter = shorterContext(search, beside)) {
        search.offer(*shorter);
    }
    for (const Settings& change : otherChanges(search)) {
        search.offer(joined(beside, change));
    }
}

} // namespace

std::vector<PlanAlternative> nearestFits(const ModelConfig& model, const RunConfig& config,
                                         const DeviceProfile& device, std::size_t count)
{
    FitSearch search(model, config, device, count);
    const auto harmless = harmlessChanges(search);
    for (const auto& list : harmless) {
        for (const Settings& change : list) {
            if (search.offer(change)) {
                break;
            }
        }
    }
    const Settings all = allHarmless(harmless);
    search.offer(all);
    offerWith(search, {});
    const std::vector<Settings> others = otherChanges(search);
    if (!search.isDone()) {
        offerWith(search, all);
        for (const Settings& change : others) {
            offerWith(search, change);
        }
        for (const Settings& change : others) {
            offerWith(search, joined(all, change));
        }
    }
    std::vector<KnownDevice> devices(knownDevices().begin(), knownDevices().end());
    std::ranges::stable_sort(devices, {}, &KnownDevice::memoryMib);
    Settings smallest = all;
    if (config.precision.compute != ComputePrecision::Auto) {
        smallest.push_back("precision.compute=auto");
    }
    for (const Settings& settings : {Settings(), smallest}) {
        for (const KnownDevice& known : devices) {
            search.offerDevice(known, settings);
        }
    }
    return search.take();
}

std::string describeAlternative(const PlanAlternative& alternative)
{
    const std::string settings =
        alternative.settings.empty()
            ? std::string()
            : fmt::format("--set {}", fmt::join(alternative.settings, " --set "));
    if (alternative.device.empty()) {
        return fmt::format("{} ({})", settings, formatBytes(alternative.peakBytes));
    }
    return fmt::format("a device such as {}{}{} ({} of {})", alternative.device,
                       settings.empty() ? "" : " with ", settings,
                       formatBytes(alternative.peakBytes), formatBytes(alternative.memoryBytes));
}

std::string describeShortage(const MemoryPlan& plan, const DeviceProfile& device)
{
    if (!plan.hostFits) {
        return fmt::format("each device keeps {} of hidden states in the memory of the machine, "
                           "which has {} free",
                           formatBytes(plan.hostBytes), formatBytes(device.hostMemoryBytes));
    }
    return fmt::format(
        "it needs {}, and {} has {}{}", formatBytes(plan.peakBytes), device.name,
        formatBytes(device.memoryBytes),
        device.takenBytes > 0.0
            ? fmt::format(" free ({} are taken by other programs)", formatBytes(device.takenBytes))
            : std::string());
}

DeviceError planRefusal(const MemoryPlan& plan, const DeviceProfile& device,
                        const std::vector<PlanAlternative>& alternatives)
{
    std::vector<std::string> texts;
    for (const PlanAlternative& alternative : alternatives) {
        texts.push_back(describeAlternative(alternative));
    }
    return DeviceError(fmt::format("The run does not fit: {}", describeShortage(plan, device)),
                       texts.empty()
                           ? "No device that is known would do: choose a smaller model."
                           : fmt::format("Nearest that fit: {}.", fmt::join(texts, "; ")));
}

void requireFits(const ModelConfig& model, const RunConfig& config, const DeviceProfile& device)
{
    const MemoryPlan plan = planMemory(model, config, device);
    if (!plan.fits) {
        throw planRefusal(plan, device, nearestFits(model, config, device));
    }
}

} // namespace longlora
