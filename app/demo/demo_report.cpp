// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/demo_report.h"

#include "app/demo/svg_chart.h"
#include "app/version.h"
#include "core/spec/base/json_object.h"
#include "core/spec/base/units.h"
#include "core/spec/config/config_issues.h"
#include "core/spec/config/config_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace longlora::app {

namespace {

constexpr std::array<const char*, 3> kStyles = {"series-1", "series-2", "series-3"};
constexpr std::array<ChartMark, 3> kMarks = {ChartMark::Square, ChartMark::Triangle,
                                             ChartMark::Circle};

constexpr const char* kPageStyle = R"css(
:root { color-scheme: light dark; --text: #1c1f23; --soft: #59616b; --back: #fbfbfa;
        --panel: #ffffff; --rule: #d9dce0; --grid: #e9ebee; --axis: #7b838d; --one: #59616b;
        --two: #c2410c; --three: #0b62c4; --code: #f2f3f5; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e8eb; --soft: #a3abb5; --back: #16181b; --panel: #1d2024; --rule: #363b42;
          --grid: #2b2f35; --axis: #7f8893; --one: #b3bac3; --two: #ff9d5c; --three: #6db3ff;
          --code: #24282d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 32px 24px 48px; color: var(--text);
       background: var(--back); font: 15.5px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 34px 0 10px; }
p { margin: 0 0 10px; max-width: 78ch; } .soft { color: var(--soft); }
.lead { font-size: 17px; margin-top: 14px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 18px;
          margin: 20px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 6px 0 12px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; text-align: right; border-bottom: 1px solid var(--rule);
         vertical-align: top; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
th { font-weight: 600; color: var(--soft); } td.best { font-weight: 700; }
pre { background: var(--code); padding: 12px 14px; border-radius: 8px; overflow-x: auto;
      font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
details { margin: 10px 0; } details summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; }
.quote { border-left: 3px solid var(--three); padding-left: 14px; }
)css";

std::string percent(double part)
{
    return fmt::format("{:.0f} %", 100.0 * part);
}

std::string paragraph(const std::string& text, const char* style = "")
{
    return fmt::format("<p class='{}'>{}</p>\n", style, text);
}

std::string heading(const char* text)
{
    return fmt::format("<h2>{}</h2>\n", text);
}

std::string definition(const std::string& name, const std::string& value)
{
    return "<dt>" + escapedHtml(name) + "</dt><dd>" + escapedHtml(value) + "</dd>\n";
}

std::int64_t trialsAt(const DemoMeasurement& model, std::int64_t length)
{
    std::int64_t trials = 0;
    for (const PasskeyCell& cell : model.passkey) {
        trials += cell.length == length ? cell.trials : 0;
    }
    return trials;
}

/// What came of it, whichever way it went.
std::string summary(const DemoResult& result)
{
    const std::int64_t before = result.contextBefore;
    const std::int64_t after = result.contextAfter;
    const double own = result.base().perplexityAt(before);
    const double extended = result.extended().perplexityAt(after);
    return fmt::format(
        "A model of {} parameters that was made for {} tokens was trained for {} steps ({}) with "
        "shifted sparse attention and low-rank updates to read {}. On text it never saw, its "
        "perplexity at {} tokens is now {:.1f}, {} than the {:.1f} it had at {} and {} the {:.1f} "
        "of the base at {}. A pass key hidden in {} tokens is found in {} of {} questions; by the "
        "base in {}, by the base with scaled positions and no training in {}. Everything was "
        "measured with full attention.",
        formatCount(result.model.parameterCount()), formatCount(before), result.finished.steps,
        formatDuration(result.finished.seconds), formatCount(after), formatCount(after), extended,
        extended <= own ? "lower" : "higher", own, formatCount(before),
        extended <= result.base().perplexityAt(after) ? "below" : "above",
        result.base().perplexityAt(after), formatCount(after), formatCount(after),
        percent(result.extended().accuracyAt(after)), trialsAt(result.extended(), after),
        percent(result.base().accuracyAt(after)), percent(result.untrained().accuracyAt(after)));
}

std::vector<double> lengthTicks(const DemoResult& result)
{
    std::vector<double> ticks;
    for (const std::int64_t length : result.lengths()) {
        ticks.push_back(static_cast<double>(length));
    }
    return ticks;
}

/// One line per model of what `measure` says at each length.
template <class Measure>
LineChart byLength(const DemoResult& result, const Measure& measure)
{
    LineChart chart;
    chart.xLabel = "length of the text (tokens)";
    chart.xTicks = lengthTicks(result);
    chart.logX = true;
    chart.showsValues = true;
    for (std::size_t i = 0; i < result.models.size(); ++i) {
        ChartSeries series{.name = result.models[i].name, .style = kStyles[i], .mark = kMarks[i]};
        for (const std::int64_t length : result.lengths()) {
            series.points.emplace_back(static_cast<double>(length),
                                       measure(result.models[i], length));
        }
        chart.series.push_back(std::move(series));
    }
    return chart;
}

std::string perplexityChart(const DemoResult& result)
{
    LineChart chart = byLength(result, [](const DemoMeasurement& model, std::int64_t length) {
        return model.perplexityAt(length);
    });
    chart.title = "Perplexity of held-out text: lower is better";
    chart.yLabel = "perplexity (logarithmic)";
    chart.logY = true;
    return chartFigure(chart);
}

std::string passkeyChart(const DemoResult& result)
{
    LineChart chart = byLength(result, [](const DemoMeasurement& model, std::int64_t length) {
        return model.accuracyAt(length);
    });
    chart.title = "Hidden pass keys found: higher is better";
    chart.yLabel = "answers that are right";
    chart.percent = true;
    return chartFigure(chart);
}

std::string lossChart(const DemoResult& result)
{
    LineChart chart;
    chart.title = "Loss while training";
    chart.xLabel = "step";
    chart.yLabel = "cross-entropy (nats per token)";
    ChartSeries raw{.name = "each step", .style = "faint"};
    ChartSeries smooth{.name = "smoothed", .style = "series-3"};
    constexpr double kKept = 0.85;
    double level = 0.0;
    double weight = 0.0;
    for (const StepDone& step : result.steps) {
        level = kKept * level + (1.0 - kKept) * step.loss;
        weight = kKept * weight + (1.0 - kKept);
        raw.points.emplace_back(static_cast<double>(step.step), step.loss);
        smooth.points.emplace_back(static_cast<double>(step.step), level / weight);
    }
    chart.series = {std::move(raw), std::move(smooth)};
    ChartSeries heldOut{.name = "held-out, full attention",
                        .style = "series-2",
                        .mark = ChartMark::Triangle,
                        .isLine = false};
    for (const HeldOutMeasured& measured : result.heldOut) {
        heldOut.points.emplace_back(static_cast<double>(measured.step), measured.loss);
    }
    if (!heldOut.points.empty()) {
        chart.series.push_back(std::move(heldOut));
    }
    return chartFigure(chart);
}

template <class Cell>
std::string tableByLength(const DemoResult& result, const char* caption, const Cell& cell)
{
    std::string html = fmt::format("<table><tr><th>{}</th>", caption);
    for (const std::int64_t length : result.lengths()) {
        html += "<th>" + formatCount(length) + " tokens</th>";
    }
    html += "</tr>\n";
    for (const DemoMeasurement& model : result.models) {
        html += "<tr><td>" + escapedHtml(model.name) + "</td>";
        for (const std::int64_t length : result.lengths()) {
            html += "<td>" + cell(model, length) + "</td>";
        }
        html += "</tr>\n";
    }
    return html + "</table>\n";
}

std::string depthTable(const DemoResult& result)
{
    std::string html = "<details><summary>Pass keys found by depth (0 is the beginning of the text)"
                       "</summary><div class='scroll'><table><tr><th>Model, length</th>";
    std::vector<double> depths;
    for (const PasskeyCell& cell : result.base().passkey) {
        if (std::find(depths.begin(), depths.end(), cell.depth) == depths.end()) {
            depths.push_back(cell.depth);
            html += fmt::format("<th>{}</th>", cell.depth);
        }
    }
    html += "</tr>\n";
    for (const DemoMeasurement& model : result.models) {
        for (const std::int64_t length : result.lengths()) {
            html +=
                fmt::format("<tr><td>{}, {}</td>", escapedHtml(model.name), formatCount(length));
            for (const PasskeyCell& cell : model.passkey) {
                if (cell.length == length) {
                    html += fmt::format("<td>{} / {}</td>", cell.correct, cell.trials);
                }
            }
            html += "</tr>\n";
        }
    }
    return html + "</table></div></details>\n";
}

std::string planSection(const DemoResult& result)
{
    const double planned = result.finished.plannedPeakBytes;
    const double measured = result.finished.peakBytes;
    std::string html = heading("Memory: planned and measured");
    html += paragraph(fmt::format("Planned {}, measured {} at the peak of training ({:+.1f} %).",
                                  formatBytes(planned), formatBytes(measured),
                                  100.0 * (measured - planned) / planned));
    html += "<div class='scroll'><table><tr><th>Part</th><th>Bytes</th>"
            "<th class='text'>How it is counted</th></tr>\n";
    for (const PlannedItem& item : result.plan.items) {
        html +=
            fmt::format("<tr><td>{}</td><td>{}</td><td class='text soft'>{}</td></tr>\n",
                        escapedHtml(item.name), formatBytes(item.bytes), escapedHtml(item.formula));
    }
    return html + "</table></div>\n";
}

std::string mergeSection(const DemoResult& result)
{
    const MergeReport& merge = result.merge;
    std::string html = heading("Merge and proof");
    html += paragraph(fmt::format(
        "Base and adapter became one Hugging Face folder: {} tensors, {} of them changed, {} as "
        "{}. The file was read back and is {} what was meant. On a text of {} tokens the logits of "
        "the merged model differ from those of base and adapter by at most {:.2g} ({:.2g} on "
        "average), where the largest logit is {:.1f}; the most likely token is the same at {} of "
        "{} positions. Rotary embedding in its config: {}.",
        formatCount(merge.tensors), formatCount(merge.mergedTensors), formatBytes(merge.bytes),
        merge.dtype, merge.rereadEqual ? "exactly" : "not", formatCount(merge.comparedTokens),
        merge.maxAbsLogitError, merge.meanAbsLogitError, merge.maxAbsLogit,
        formatCount(merge.sameTopToken), formatCount(merge.comparedTokens),
        escapedHtml(merge.rope)));
    return html;
}

std::string questionSection(const DemoResult& result)
{
    const DemoMaterial& material = result.material;
    std::string html = heading("One question about the book");
    html += "<div class='quote'>";
    html += paragraph("<b>" + escapedHtml(material.question) + "</b>" +
                      escapedHtml(result.answer.text));
    html += paragraph("Expected: " + escapedHtml(material.expected), "soft");
    html += "</div>\n";
    html += paragraph(
        fmt::format(
            "Asked of the merged model, which read {} tokens in {} and always took the most "
            "likely token. {}",
            formatCount(result.answer.promptTokens), formatDuration(result.answer.prefillSeconds),
            escapedHtml(material.note)),
        "soft");
    return html;
}

std::string machineSection(const DemoResult& result, const std::string& environment)
{
    const JsonObject facts = JsonObject::parse(environment, "environment.json");
    std::string html = heading("Machine, versions, time") + "<dl>";
    html += definition("Program", std::string("LongLoRA Workbench ") + kVersion);
    html += definition("LibTorch", facts.textOr("libtorch", "unknown"));
    html += definition("Compiler", facts.textOr("compiler", "unknown"));
    html += definition("Device", result.started.device + ", " + result.started.precision);
    html += definition("Whole demo", formatDuration(result.seconds));
    html += definition("Training",
                       fmt::format("{}, {:.0f} tokens/s", formatDuration(result.finished.seconds),
                                   result.finished.tokensPerSecond));
    for (const DemoMeasurement& model : result.models) {
        html += definition("Measuring: " + model.name, formatDuration(model.seconds));
    }
    html += definition("Merge", formatDuration(result.merge.seconds));
    return html + "</dl>\n";
}

std::string figures(const DemoResult& result)
{
    std::string html =
        "<div class='charts'>\n" + perplexityChart(result) + passkeyChart(result) + "</div>\n";
    html += heading("Figures");
    html += "<div class='scroll'>";
    html +=
        tableByLength(result, "Perplexity", [](const DemoMeasurement& model, std::int64_t length) {
            return fmt::format("{:.2f}", model.perplexityAt(length));
        });
    html += tableByLength(result, "Pass keys found",
                          [](const DemoMeasurement& model, std::int64_t length) {
                              return percent(model.accuracyAt(length));
                          });
    html += "</div>\n" + depthTable(result);
    html += paragraph(
        fmt::format(
            "Perplexity: windows of the given length, each moved by half of it, every token "
            "scored once ({} tokens). Pass keys: {} questions per length, five digits in a "
            "line of their own between lines of held-out text, the same questions for every "
            "model.",
            formatCount(result.base().perplexity.front().tokens),
            trialsAt(result.base(), result.contextBefore)),
        "soft");
    return html;
}

std::string recipeSection(const DemoResult& result)
{
    const RunConfig& config = result.material.config;
    return heading("Recipe") +
           paragraph(escapedHtml(fmt::format(
               "{}; rotary embedding {}; LoRA of rank {} on {} modules{}{}; {} steps of {} rows of "
               "{} tokens at a learning rate of {:g}; the last {} of the steps with full "
               "attention.",
               result.started.attention, describeRope(extendedRope(result.model, config.context)),
               config.lora.rank, config.lora.targets.size(),
               config.lora.trainEmbeddings ? ", embeddings" : "",
               config.lora.trainNorms ? " and norms trained" : "", result.finished.steps,
               result.started.rowsPerStep, formatCount(result.started.rowTokens),
               config.optimizer.learningRate, percent(config.attention.fullFinalFraction)))) +
           "<details><summary>Complete configuration</summary><pre>" +
           escapedHtml(runConfigToJson(config)) + "</pre></details>\n";
}

} // namespace

std::string demoReportHtml(const DemoResult& result, const std::string& environment)
{
    const std::string title = fmt::format("From {} to {} tokens", formatCount(result.contextBefore),
                                          formatCount(result.contextAfter));
    std::string html = "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
                       "<meta name='viewport' content='width=device-width, initial-scale=1'>\n";
    html += "<title>" + title + " - LongLoRA Workbench</title>\n<style>" + std::string(kPageStyle) +
            chartStyleSheet() + "</style>\n</head>\n<body>\n";
    html += "<h1>" + title + "</h1>\n";
    html += paragraph("LongLoRA Workbench: report of the demo", "soft");
    html += paragraph(summary(result), "lead");
    html += figures(result);
    html += questionSection(result);
    html += recipeSection(result) + "<div class='charts'>\n" + lossChart(result) + "</div>\n";
    html += planSection(result) + mergeSection(result) + machineSection(result, environment);
    return html + "</body>\n</html>\n";
}

} // namespace longlora::app
