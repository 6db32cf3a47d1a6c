# SPDX-License-Identifier: GPL-3.0-or-later
"""The rotary embedding: every kind in every spelling, read, written and extended, against both
transformers. Lengths go beyond the original context, where the kinds differ most."""

import json

import reference
from comparison import ComparisonTest
from program import GOLDEN, ProgramFailed, logits, longlora, scratch
from spellings import copy_with_config, read_config, spelled
from training import train

BASE = GOLDEN / "models" / "llama-mha"  # 64 positions, no scaling of its own
POSITIONS = 64
IDS = [(13 * i * i + 7 * i + 1) % 500 + 3 for i in range(150)]

ROPES = {
    "default": {"rope_type": "default", "rope_theta": 500000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0},
    "dynamic": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
    "yarn": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
             "original_max_position_embeddings": POSITIONS},
    "llama3": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0,
               "original_max_position_embeddings": 32, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0},
}
SPELLINGS = {
    "default": ["4.42", "5"],
    "linear": ["4.42", "4.43", "4.44", "5", "LongChat"],
    "dynamic": ["4.42", "4.43", "4.44", "5"],
    "yarn": ["4.42", "4.43", "4.44", "5"],
    "llama3": ["4.43", "4.44", "5"],
}


def folder_with(rope, spelling, name):
    config = spelled(read_config(BASE), rope, spelling)
    return copy_with_config(BASE, scratch("ropes") / name, config)


def folder_of(folder, rope, spelling):
    config = spelled(read_config(folder), rope, spelling)
    return copy_with_config(folder, scratch("respelled") / "model", config)


class RopeTest(ComparisonTest):
    @classmethod
    def setUpClass(cls):
        cls.transformers4 = reference.Transformers4()

    @classmethod
    def tearDownClass(cls):
        cls.transformers4.close()

    def test_every_kind_is_read_in_every_spelling(self):
        plain = logits(BASE, IDS)
        for kind, rope in ROPES.items():
            five = reference.logits(folder_with(rope, "5", "five"), IDS)
            four = self.transformers4.logits(folder_with(rope, "4.43", "four"), IDS)
            self.assertOtherLogits(five, plain)
            for spelling in SPELLINGS[kind]:
                with self.subTest(kind=kind, spelling=spelling):
                    ours = logits(folder_with(rope, spelling, "ours"), IDS)
                    self.assertSameLogits(ours, five)
                    self.assertSameLogits(ours, four)

    def test_spellings_that_contradict_each_other_are_refused(self):
        linear = ROPES["linear"]
        four = spelled(read_config(BASE), linear, "4.43")
        five = {"rope_parameters": linear}
        contradictions = {
            "factor": four | {"rope_parameters": linear | {"factor": 4.0}},
            "kind": four | {"rope_parameters": ROPES["yarn"]},
            "base": four | five | {"rope_theta": 5000.0},
            "LongChat": four | {"rope_condense_ratio": 8},
            "type": four | {"rope_scaling": {"type": "dynamic", "rope_type": "linear",
                                             "factor": 3.0}},
        }
        self.assertSameLogits(self.ours_with(four | five), self.ours_with(four))
        for name, config in contradictions.items():
            with self.subTest(name=name), self.assertRaises(ProgramFailed) as refusal:
                self.ours_with(config)
            self.assertEqual(refusal.exception.status, 3)
            self.assertIn("config.json, key rope", refusal.exception.stderr)

    def ours_with(self, config):
        return logits(copy_with_config(BASE, scratch("ropes") / "config", config), IDS)

    def assertExtended(self, kind, context, expected):
        """Extending a model that has ROPES[kind] gives `expected`: in the adapter, on reload, in
        the merged config, and in both transformers on the merged model."""
        base = folder_with(ROPES[kind], "4.44", "base")
        adapter = train(base, 384, context={"rope": context})
        kept = json.loads((adapter / "longlora_adapter.json").read_text())
        self.assertEqual(kept["rope"] | expected, kept["rope"])
        self.assertEqual(kept["base_rope"] | ROPES[kind], kept["base_rope"])

        merged = scratch("merged") / "model"
        longlora("merge", "--base", base, "--adapter", adapter, "--out", merged, "--dtype", "fp32")
        written = read_config(merged)
        self.assertEqual(written["rope_theta"], expected["rope_theta"])
        scaling = {key: value for key, value in expected.items() if key != "rope_theta"}
        self.assertEqual(written["rope_scaling"] | scaling, written["rope_scaling"])
        self.assertEqual(written["rope_scaling"]["type"], expected["rope_type"])

        ours = logits(merged, IDS)
        self.assertSameLogits(logits(base, IDS, "--adapter", adapter), ours)
        five = reference.logits(folder_of(merged, expected, "5"), IDS)
        self.assertSameLogits(ours, five)
        self.assertSameLogits(ours, reference.logits(merged, IDS))
        if kind != "yarn":  # 4.46 corrects from max_position_embeddings, which has grown
            self.assertSameLogits(ours, self.transformers4.logits(merged, IDS))

    def test_an_extension_multiplies_what_was_there(self):
        extended = {
            "default": ("linear", {"rope_type": "linear", "factor": 6.0}),
            "linear": ("linear", {"factor": 6.0}),
            "dynamic": ("ntk", {"factor": 6.0}),
            "yarn": ("yarn", {"factor": 8.0}),
            "llama3": ("llama3", {"factor": 16.0}),
        }
        for kind, (context, change) in extended.items():
            with self.subTest(kind=kind):
                self.assertExtended(kind, context, ROPES[kind] | change)

    def test_an_adapter_of_another_rotary_embedding_is_refused(self):
        base = folder_with(ROPES["linear"], "4.44", "base")
        adapter = train(base, 384, context={"rope": "linear"})
        other = folder_with(ROPES["linear"] | {"factor": 2.0}, "5", "other")
        with self.assertRaises(ProgramFailed) as refusal:
            logits(other, IDS, "--adapter", adapter)
        self.assertEqual(refusal.exception.status, 3)
        self.assertIn("linear x 6", refusal.exception.stderr)
