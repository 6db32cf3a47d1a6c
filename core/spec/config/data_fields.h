// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/fields.h"
#include "core/spec/config/run_config.h"

#include <concepts>
#include <type_traits>

namespace longlora {

// What a run reads and sees: data, context, attention.
// `Config` is the struct or the const struct.

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, DataConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"train", "Training files", "",
                   "Files the model is trained on; more text makes an epoch longer, not a step."},
                  c.train);
    visitor.field({"validation", "Held-out files", "",
                   "Files whose loss is measured during the run and never trained on; none: no "
                   "held-out loss."},
                  c.validation);
    visitor.field({"format", "File format", "",
                   "How the files are read; auto goes by the ending (.txt, .md, .jsonl, .bin)."},
                  c.format);
    visitor.field({"packing", "Packing", "",
                   "documents: whole documents share a row and the rest is padded; stream: all "
                   "text is joined and cut into full rows."},
                  c.packing);
    visitor.field({"mask_documents", "Separate documents", "",
                   "Documents that share a row do not see each other."},
                  c.maskDocuments);
    visitor.field({"template", "Chat template", "",
                   "How conversations become text; auto takes the model's own template."},
                  c.chatTemplate);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, ContextConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"length", "Context length", "tokens",
                   "Tokens in a training row, the context the model is made for; 0: the model's "
                   "own. Memory grows in proportion.",
                   0, 16777216},
                  c.length);
    visitor.field({"rope", "Position method", "",
                   "How rotary positions are stretched to the new length: linear is LongLoRA's, "
                   "llama3 keeps near positions sharp, none leaves the model's own."},
                  c.rope);
    visitor.field({"factor", "Extension factor", "",
                   "New context over the model's own; empty: ceil(length / the model's own). A "
                   "larger factor packs positions more densely.",
                   1, 1024},
                  c.factor);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, AttentionConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"kind", "Attention", "",
                   "s2: shifted sparse attention in groups while training (LongLoRA); full: every "
                   "token sees all earlier ones, slower with the square of the length."},
                  c.kind);
    visitor.field({"group", "Group size", "tokens",
                   "Tokens of a group of sparse attention; empty: the group ratio times the "
                   "length. Larger groups see further and cost more.",
                   2, 16777216},
                  c.group);
    visitor.field(
        {"group_ratio", "Group ratio", "",
         "Group size as a part of the length where no fixed size is given; LongLoRA's is 0.25.",
         0.0009765625, 1},
        c.groupRatio);
    visitor.field({"edge", "Group edge", "",
                   "clipped: no token sees a later one; circular: the original's roll, in which "
                   "the first half group sees the last."},
                  c.edge);
    visitor.field({"full_final_fraction", "Full-attention finish", "",
                   "Last part of the steps that runs with full attention; more helps far retrieval "
                   "and costs time.",
                   0, 1},
                  c.fullFinalFraction);
}

} // namespace longlora
