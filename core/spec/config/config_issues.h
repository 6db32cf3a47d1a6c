// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/config/model_config.h"
#include "core/spec/config/run_config.h"

#include <string>
#include <vector>

namespace longlora {

enum class Severity { Note, Warning, Error };

/// One thing that is wrong, or worth knowing, about a configuration.
struct ConfigIssue {
    std::string field; ///< dotted key: "attention.group"
    Severity severity = Severity::Error;
    std::string message;    ///< names value and limit
    std::string suggestion; ///< a value for `field` as JSON text ("2048"); empty if there is none
    bool isUnavailable = false; ///< sound, but this version cannot do it
};

/// Checks a configuration, alone or against the model it names. Never throws; works on what the
/// user is still typing.
std::vector<ConfigIssue> validate(const RunConfig& config, const ModelConfig* model);

/// Throws: ConfigError with the first error's field and message, if there is one.
void requireValid(const RunConfig& config, const ModelConfig* model);

/// The rotary embedding a run trains with: the model's own, extended as `config.context` says.
/// A factor left empty is ceil(length / the model's own context), 1 where the rows fit already; one
/// asked for counts always. It multiplies an existing factor of the same kind, whose original
/// length stays; the kinds that have one (ntk, yarn, llama3) take the own context of an unscaled
/// model. Throws: ConfigError if length is above the model's own context times the factor asked
/// for, or the model is scaled by another kind.
RopeScaling extendedRope(const ModelConfig& model, const ContextConfig& context);

/// The value of `context.rope` that extends by this kind: "linear", "ntk", "yarn", "llama3",
/// "none".
std::string contextRopeName(RopeKind kind);

/// Tokens in a row: `context.length`, or the model's own context when that is 0.
std::int64_t rowLength(const ModelConfig& model, const RunConfig& config);

/// Tokens in an S2 group, at least 1: `attention.group`, or groupRatio x `length` rounded to an
/// even number.
std::int64_t groupSize(const AttentionConfig& attention, std::int64_t length);

} // namespace longlora
