# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF files that `longlora` exports, read by the gguf package, transformers and llama.cpp; and what
comes back of them."""

import gguf
import numpy
from safetensors.numpy import load_file

import reference
from comparison import ComparisonTest
from llama_cpp import LlamaCpp, log_softmax
from program import GOLDEN, logits, longlora, scratch
from spellings import copy_with_config, read_config, spelled

BASE = GOLDEN / "models" / "tiny-shakespeare"  # the one with a tokenizer
IDS = [1] + [(17 * i * i + 5 * i + 3) % 500 + 3 for i in range(119)]  # in every context
VOCABULARY = 512

ROPES = {
    "default": {"rope_type": "default", "rope_theta": 20000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0},
    "yarn": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
             "original_max_position_embeddings": 64},
    "llama3": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0,
               "original_max_position_embeddings": 64, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0},
}


def folder_with(rope):
    config = spelled(read_config(BASE), rope, "4.44")
    return copy_with_config(BASE, scratch("ropes") / "model", config)


def exported(folder, dtype):
    file = scratch("exported") / f"{dtype}.gguf"
    longlora("export", "gguf", "--model", folder, "--out", file, "--dtype", dtype)
    return file


class GgufTest(ComparisonTest):
    def test_llama_cpp_computes_the_same_with_every_rotary_embedding(self):
        for kind, rope in ROPES.items():
            with self.subTest(kind=kind):
                folder = folder_with(rope)
                ours = log_softmax(logits(folder, IDS)[-1])
                theirs = LlamaCpp(exported(folder, "fp32")).log_probabilities(IDS, VOCABULARY)
                self.assertLess(numpy.abs(ours - theirs).max(), 1e-3)

    def test_llama_cpp_computes_the_same_in_narrow_types(self):
        ours = log_softmax(logits(BASE, IDS)[-1])
        for dtype, limit in [("f16", 0.02), ("bf16", 0.2), ("q8_0", 0.3)]:
            with self.subTest(dtype=dtype):
                theirs = LlamaCpp(exported(BASE, dtype)).log_probabilities(IDS, VOCABULARY)
                self.assertLess(numpy.abs(ours - theirs).max(), limit)

    def test_transformers_reads_the_same_model(self):
        file = exported(BASE, "fp32")
        model = reference.transformers.AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=reference.torch.float32).eval()
        self.assertSameLogits(logits(BASE, IDS), reference.logits_of(model, IDS))

    def test_the_gguf_package_reads_every_tensor(self):
        reader = gguf.GGUFReader(exported(BASE, "f16"))
        weights = load_file(BASE / "model.safetensors")
        self.assertEqual(len(reader.tensors), len(weights))
        embedding = next(t for t in reader.tensors if t.name == "token_embd.weight")
        expected = weights["model.embed_tokens.weight"].astype(numpy.float16)
        self.assertTrue(numpy.array_equal(embedding.data, expected))

    def test_what_was_exported_comes_back_equal(self):
        for kind, rope in ROPES.items():
            with self.subTest(kind=kind):
                folder = folder_with(rope)
                back = scratch("back") / "model"
                longlora("import", "gguf", "--file", exported(folder, "fp32"), "--out", back,
                         "--dtype", "fp32")
                self.assertSameLogits(logits(back, IDS), logits(folder, IDS), 1e-6)
                self.assertSameLogits(reference.logits(back, IDS), logits(folder, IDS))
