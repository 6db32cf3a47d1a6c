# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapters there and back: what `longlora` trains and merges, PEFT and transformers load; what PEFT
saves, `longlora` loads and merges. Equal logits, equal merged weights."""

import copy

import peft
import torch
from safetensors.numpy import load_file

import reference
from comparison import ComparisonTest
from models_test import IDS, MODELS, UNKNOWN_TO_4, with_other_tying
from program import ProgramFailed, logits, longlora, scratch
from training import train

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
NEOX = ["query_key_value", "dense"]


def weights(model):
    """By name, as a file holds them: a tied head once, GPT-NeoX's head by its old name."""
    tensors = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    head = tensors.pop("lm_head.weight")
    if not model.config.tie_word_embeddings:
        is_neox = model.config.model_type == "gpt_neox"
        tensors["embed_out.weight" if is_neox else "lm_head.weight"] = head
    return tensors


def merged_here(base, adapter):
    out = scratch("merged") / "model"
    longlora("merge", "--base", base, "--adapter", adapter, "--out", out, "--dtype", "fp32")
    return out


def peft_adapter(base, safe_serialization=True, **options):
    """An adapter with random numbers in everything it trains, saved; and the model with it."""
    torch.manual_seed(5)
    config = peft.LoraConfig(task_type="CAUSAL_LM", **options)
    model = peft.get_peft_model(reference.load(base), config).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * parameter.std().nan_to_num(0.1).clamp(0.1) * torch.randn(
                parameter.shape)
    folder = scratch("peft") / "adapter"
    model.save_pretrained(folder, safe_serialization=safe_serialization)
    return folder, model


class OurAdaptersTest(ComparisonTest):
    @classmethod
    def setUpClass(cls):
        cls.transformers4 = reference.Transformers4()

    @classmethod
    def tearDownClass(cls):
        cls.transformers4.close()

    def assertLoadedThere(self, base, knows_4, **sections):
        adapter = train(base, 96, **sections)
        ours = logits(base, IDS, "--adapter", adapter)
        self.assertOtherLogits(ours, logits(base, IDS))

        model = peft.PeftModel.from_pretrained(reference.load(base), adapter).eval()
        taken = peft.get_peft_model_state_dict(model)
        taken = {name: tensor.detach().numpy() for name, tensor in taken.items()}
        self.assertSameTensors(load_file(adapter / "adapter_model.safetensors"), taken, 0.0)
        self.assertSameLogits(ours, reference.logits_of(model, IDS))

        merged = merged_here(base, adapter)
        self.assertSameLogits(logits(merged, IDS), ours)
        self.assertSameTensors(load_file(merged / "model.safetensors"),
                               weights(model.merge_and_unload()))
        self.assertSameLogits(ours, reference.logits(merged, IDS))
        if knows_4:
            self.assertSameLogits(ours, self.transformers4.logits(merged, IDS))

    def test_of_every_family_are_loaded_by_peft_and_merged_by_transformers(self):
        for name in ["llama-mha", "llama-gqa-llama3", "mistral-gqa", "qwen2", "qwen3", "gpt-neox"]:
            for folder in [MODELS / name, with_other_tying(name)]:
                with self.subTest(folder=folder):
                    targets = NEOX if name == "gpt-neox" else ATTENTION
                    self.assertLoadedThere(folder, name not in UNKNOWN_TO_4,
                                           lora={"targets": targets})

    def test_of_low_rank_pairs_alone_are_loaded_by_peft(self):
        self.assertLoadedThere(MODELS / "qwen2", True,
                               lora={"rank": 3, "alpha": 5, "targets": ["q_proj", "down_proj"],
                                     "train_embeddings": False, "train_norms": False})


class PeftAdaptersTest(ComparisonTest):
    def assertLoadedHere(self, base, **options):
        adapter, model = peft_adapter(base, **options)
        theirs = reference.logits_of(model, IDS)
        self.assertOtherLogits(theirs, reference.logits(base, IDS))
        self.assertSameLogits(logits(base, IDS, "--adapter", adapter), theirs)
        merged = merged_here(base, adapter)
        expected = weights(copy.deepcopy(model).merge_and_unload())
        self.assertSameTensors(load_file(merged / "model.safetensors"), expected)
        self.assertSameLogits(reference.logits(merged, IDS), theirs)

    def test_pairs_of_every_kind(self):
        cases = {
            "plain": ("llama-mha", {"target_modules": ["q_proj", "v_proj"], "r": 4}),
            "all linear": ("llama-gqa-llama3", {"target_modules": "all-linear"}),
            "regex": ("mistral-gqa", {"target_modules": r".*layers\.1\..*(gate|up)_proj"}),
            "some layers": ("qwen2", {"target_modules": ATTENTION, "layers_to_transform": [1]}),
            "rsLoRA": ("mistral-gqa", {"target_modules": ATTENTION, "use_rslora": True, "r": 6}),
            "patterns": ("qwen3", {"target_modules": ATTENTION + ["up_proj"], "lora_alpha": 6,
                                   "rank_pattern": {"layers.0.self_attn.q_proj": 2,
                                                    "^model.layers.1.mlp.up_proj": 3,
                                                    r".*\.1\.self_attn\.[kv]_proj": 5},
                                   "alpha_pattern": {"o_proj": 4, "v_proj": 20}}),
            "patterns, rsLoRA": ("llama-mha", {"target_modules": ATTENTION, "use_rslora": True,
                                               "rank_pattern": {"k_proj": 2},
                                               "alpha_pattern": {"k_proj": 3}}),
            "neox": ("gpt-neox", {"target_modules": NEOX + ["dense_h_to_4h"]}),
        }
        for case, (base, options) in cases.items():
            with self.subTest(case=case):
                self.assertLoadedHere(MODELS / base, **options)

    def test_modules_trained_whole(self):
        cases = {
            "embedding and norms": ("llama-mha", ["embed_tokens", "norm"]),
            "the head too": ("mistral-gqa", ["embed_tokens", "lm_head"]),
            "q and k norms": ("qwen3", ["norm"]),
            "neox": ("gpt-neox", ["embed_in", "lm_head", "layernorm"]),
            "a linear map": ("qwen2", ["o_proj"]),
        }
        for case, (base, modules) in cases.items():
            targets = ["query_key_value"] if base == "gpt-neox" else ["q_proj", "v_proj"]
            with self.subTest(case=case):
                self.assertLoadedHere(MODELS / base, target_modules=targets,
                                      modules_to_save=modules)

    def test_tied_embeddings_stay_tied_or_part_as_the_adapter_says(self):
        for tying in [False, True]:
            with self.subTest(ensure_weight_tying=tying):
                self.assertLoadedHere(MODELS / "qwen2", target_modules=["q_proj"],
                                      modules_to_save=["embed_tokens"], ensure_weight_tying=tying)

    def test_pickled_adapters(self):
        self.assertLoadedHere(MODELS / "mistral-gqa", safe_serialization=False,
                              target_modules=ATTENTION, modules_to_save=["embed_tokens"])

    def test_parts_of_the_embedding(self):
        cases = {
            "rows": {"trainable_token_indices": [3, 4, 11]},
            "a low-rank update": {"target_modules": ["q_proj", "embed_tokens"]},
        }
        for case, options in cases.items():
            with self.subTest(case=case):
                self.assertLoadedHere(MODELS / "llama-mha",
                                      **{"target_modules": ["q_proj"]} | options)

    def test_unknown_mathematics_is_refused_by_name(self):
        cases = {
            "use_dora": {"use_dora": True},
            "lora_bias": {"lora_bias": True},
            "bias": {"bias": "all"},
        }
        for name, options in cases.items():
            with self.subTest(name=name):
                adapter, _ = peft_adapter(MODELS / "llama-mha",
                                          **{"target_modules": ["q_proj"]} | options)
                with self.assertRaises(ProgramFailed) as refusal:
                    logits(MODELS / "llama-mha", IDS, "--adapter", adapter)
                self.assertEqual(refusal.exception.status, 3)
                self.assertIn(name, refusal.exception.stderr)
