# SPDX-License-Identifier: GPL-3.0-or-later
"""SmolLM2-135M-Instruct, as `./workbench sample-model` imports it from its GGUF: a real model, against
transformers; extended, merged, exported and taken back. Skipped where it is not in the cache.

LONGLORA_SAMPLE_LENGTH is the length it is trained at (default 2048; 16384 takes minutes a step).
"""

import json
import os
import sys
from pathlib import Path

from safetensors.numpy import load_file

import reference
from comparison import ComparisonTest
from environment import SKIPPED
from program import SCRATCH, logits, longlora, scratch
from training import train

MODEL = Path(os.environ["LONGLORA_CACHE"]) / "models" / "SmolLM2-135M-Instruct"
PROMPT = "The three laws of thermodynamics say that"
LENGTH = int(os.environ.get("LONGLORA_SAMPLE_LENGTH", "2048"))

if not MODEL.exists():
    print(f"SKIPPED: there is no {MODEL}; ./workbench sample-model makes it")
    sys.exit(SKIPPED)


class SampleModelTest(ComparisonTest):
    @classmethod
    def setUpClass(cls):
        cls.ids = longlora("tokenize", "--model", MODEL, "--text", PROMPT)["ids"]

    def test_logits_are_those_of_transformers(self):
        ids = (self.ids * 20)[:120]
        self.assertSameLogits(logits(MODEL, ids), reference.logits(MODEL, ids), 1e-3)

    def test_fifty_tokens_are_those_of_transformers(self):
        ours = longlora("generate", "--model", MODEL, "--prompt", PROMPT, "--temperature", "0",
                        "--max-new-tokens", "50", "--dtype", "fp32")
        model = reference.load(MODEL)
        theirs = model.generate(reference.torch.tensor([self.ids]), max_new_tokens=50,
                                do_sample=False)[0].tolist()
        text = longlora("tokenize", "--model", MODEL, "--decode",
                        ",".join(map(str, theirs[len(self.ids):])))["text"]
        self.assertEqual(ours["text"], text)

    def test_extended_merged_exported_and_taken_back_it_stays_the_same(self):
        adapter = train(MODEL, LENGTH, context={"length": LENGTH, "rope": "linear", "factor": 2},
                        schedule={"steps": 2})
        merged = scratch("merged") / "model"
        told = longlora("merge", "--base", MODEL, "--adapter", adapter, "--out", merged,
                        "--dtype", "fp32")
        self.assertLess(told["max_abs_logit_error"], 1e-2)
        rope = json.loads((merged / "config.json").read_text())["rope_scaling"]
        self.assertEqual((rope["rope_type"], rope["factor"]), ("linear", 2.0))
        ours = logits(merged, self.ids)
        self.assertOtherLogits(ours, logits(MODEL, self.ids))
        self.assertSameLogits(ours, reference.logits(merged, self.ids), 1e-3)

        file, back = SCRATCH / "merged.gguf", scratch("back") / "model"
        file.unlink(missing_ok=True)
        longlora("export", "gguf", "--model", merged, "--out", file, "--dtype", "fp32")
        longlora("import", "gguf", "--file", file, "--out", back)
        self.assertSameTensors(load_file(back / "model.safetensors"),
                               load_file(merged / "model.safetensors"), 0.0)
        self.assertSameLogits(logits(back, self.ids), ours, 1e-6)
