// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/demo_report.h"

#include <nlohmann/json.hpp>

namespace longlora::app {

namespace {

using Json = nlohmann::ordered_json;

Json gridOf(const DemoMeasurement& model)
{
    Json perplexity = Json::array();
    for (const PerplexityResult& one : model.perplexity) {
        perplexity.push_back({{"context", one.context},
                              {"perplexity", one.perplexity},
                              {"tokens", one.tokens},
                              {"windows", one.windows}});
    }
    Json passkey = Json::array();
    for (const PasskeyCell& cell : model.passkey) {
        passkey.push_back({{"length", cell.length},
                           {"depth", cell.depth},
                           {"correct", cell.correct},
                           {"trials", cell.trials}});
    }
    Json accuracy = Json::array();
    for (const PerplexityResult& one : model.perplexity) {
        accuracy.push_back({{"length", one.context}, {"accuracy", model.accuracyAt(one.context)}});
    }
    return {{"perplexity", std::move(perplexity)},
            {"passkey", std::move(passkey)},
            {"passkey_accuracy", std::move(accuracy)}};
}

} // namespace

std::string demoResultJson(const DemoResult& result, const std::filesystem::path& folder)
{
    Json json{
        {"report", (folder / "report.html").string()},
        {"run", (folder / "run").string()},
        {"merged", (folder / "merged").string()},
        {"context_before", result.contextBefore},
        {"context_after", result.contextAfter},
        // Each model at the context it is made for.
        {"perplexity_before", result.base().perplexityAt(result.contextBefore)},
        {"perplexity_after", result.extended().perplexityAt(result.contextAfter)},
        {"perplexity_before_at_context_after", result.base().perplexityAt(result.contextAfter)},
        // Both at the extended context.
        {"passkey_before", result.base().accuracyAt(result.contextAfter)},
        {"passkey_after", result.extended().accuracyAt(result.contextAfter)},
        {"merge_max_abs_error", result.merge.maxAbsLogitError},
        {"seconds", result.seconds},
        {"train_seconds", result.finished.seconds},
        {"final_loss", result.finished.finalLoss},
        {"peak_bytes", result.finished.peakBytes},
        {"planned_peak_bytes", result.finished.plannedPeakBytes},
        {"question", result.material.question},
        {"answer", result.answer.text},
        {"expected", result.material.expected},
    };
    for (const DemoMeasurement& model : result.models) {
        json["grids"][model.key] = gridOf(model);
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace longlora::app
