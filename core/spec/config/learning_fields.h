// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/base/fields.h"
#include "core/spec/config/run_config.h"

#include <concepts>
#include <type_traits>

namespace longlora {

// What a run changes and how fast: LoRA, optimizer, schedule.
// `Config` is the struct or the const struct.

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, LoraConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"rank", "Rank", "",
                   "Rank of the low-rank updates; a larger one can learn more and has more "
                   "parameters (LongLoRA: 8).",
                   1, 4096},
                  c.rank);
    visitor.field(
        {"alpha", "Alpha", "",
         "Updates are scaled by alpha / rank; larger values learn in larger steps (LongLoRA: 16).",
         0.001, 65536},
        c.alpha);
    visitor.field(
        {"dropout", "Dropout", "",
         "Part of the inputs of each update that is dropped while training, against overfitting.",
         0, 0.99},
        c.dropout);
    visitor.field(
        {"targets", "Target modules", "",
         "Projections that get an update; LongLoRA's are the four of attention, more learn more."},
        c.targets);
    visitor.field({"train_embeddings", "Train embeddings", "",
                   "Also trains the token embeddings, which long contexts need (LongLoRA+); most "
                   "of the trained parameters."},
                  c.trainEmbeddings);
    visitor.field({"train_norms", "Train norms", "",
                   "Also trains the normalisation weights, few and cheap (LongLoRA+)."},
                  c.trainNorms);
    visitor.field({"b_learning_rate_ratio", "B learning-rate ratio", "",
                   "Learning rate of the B matrices over that of the others; above 1 is the LoRA+ "
                   "of Hayou et al. 2024.",
                   0.001, 1024},
                  c.bLearningRateRatio);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, OptimizerConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field(
        {"learning_rate", "Learning rate", "",
         "Size of AdamW's steps; larger learns faster until it diverges (LongLoRA: 2e-5).", 0, 10},
        c.learningRate);
    visitor.field({"beta1", "Beta 1", "", "Memory of the mean gradient; closer to 1 is smoother.",
                   0, 0.999999},
                  c.beta1);
    visitor.field({"beta2", "Beta 2", "",
                   "Memory of the squared gradient; closer to 1 is smoother (LongLoRA: 0.95).", 0,
                   0.999999},
                  c.beta2);
    visitor.field(
        {"epsilon", "Epsilon", "",
         "Added to the root of the second moment; larger damps the steps of rarely moved weights.",
         1e-16, 1},
        c.epsilon);
    visitor.field(
        {"weight_decay", "Weight decay", "",
         "Part of each weight, times the learning rate, that a step takes away (LongLoRA: 0).", 0,
         10},
        c.weightDecay);
    visitor.field({"clip_norm", "Clip norm", "",
                   "Gradients are scaled down to this norm over all trained weights; 0: never.", 0,
                   1e6},
                  c.clipNorm);
    visitor.field({"moments", "Moments", "",
                   "How AdamW's two moments are kept: 8bit takes a quarter of fp32's memory and "
                   "rounds them at random, so that slow averages still move."},
                  c.moments);
}

template <class Config, class Visitor>
requires std::same_as<std::remove_const_t<Config>, ScheduleConfig>
void visitFields(Config& c, Visitor& visitor)
{
    visitor.field({"kind", "Schedule", "",
                   "The learning rate after the warm-up: constant, or falling to zero along a "
                   "cosine or a line."},
                  c.kind);
    visitor.field(
        {"warmup_steps", "Warm-up", "steps",
         "Steps in which the learning rate rises from zero; more is gentler (LongLoRA: 20).", 0,
         1e9},
        c.warmupSteps);
    visitor.field({"steps", "Steps", "steps",
                   "Optimizer steps of the run, unless epochs are given (LongLoRA: 1000).", 1, 1e9},
                  c.steps);
    visitor.field({"epochs", "Epochs", "",
                   "Passes over the data instead of a number of steps; empty: steps decide.", 0.001,
                   1e6},
                  c.epochs);
}

} // namespace longlora
