# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that transformers 5 and 4 write, read by `longlora`: equal logits."""

import json
import shutil

import reference
from comparison import ComparisonTest
from program import GOLDEN, SCRATCH, logits, scratch
from spellings import copy_with_config, read_config, rope_of, spelled

MODELS = GOLDEN / "models"
IDS = [(17 * i * i + 5 * i + 3) % 300 + 3 for i in range(70)]
NAMES = ["llama-mha", "llama-linear", "llama-gqa-llama3", "llama-yarn", "llama-dynamic",
         "mistral-gqa", "qwen2", "qwen3", "gpt-neox", "tiny-shakespeare"]
UNKNOWN_TO_4 = {"qwen3"}


def with_other_tying(name):
    """The same model with its head tied where it was not, and untied where it was."""
    folder = scratch("tying") / name
    model = reference.load(MODELS / name)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    model.config.tie_word_embeddings = not model.config.tie_word_embeddings
    tied = embedding.weight.detach()
    head.weight = embedding.weight if model.config.tie_word_embeddings else \
        reference.torch.nn.Parameter(0.5 * tied.flip(0))
    model.save_pretrained(folder)
    return folder


class ModelsTest(ComparisonTest):
    @classmethod
    def setUpClass(cls):
        cls.transformers4 = reference.Transformers4()

    @classmethod
    def tearDownClass(cls):
        cls.transformers4.close()

    def assertReadBack(self, writer, folder, **options):
        """What `writer` saves of `folder` gives the writer's logits."""
        out = SCRATCH / "written"
        shutil.rmtree(out, ignore_errors=True)
        theirs = writer.save(folder, out, {"ids": IDS, **options})
        if folder.name == "llama-yarn":
            # 4.46 takes YaRN's correction range from max_position_embeddings; 5 is right.
            theirs = reference.logits(out, IDS)
        self.assertSameLogits(logits(out, IDS), theirs)
        return out

    def test_what_transformers_5_writes_is_read(self):
        for name in NAMES:
            with self.subTest(name=name):
                self.assertReadBack(reference, MODELS / name)

    def test_what_transformers_4_writes_is_read(self):
        for name in set(NAMES) - UNKNOWN_TO_4:
            with self.subTest(name=name):
                # It passes over rope_parameters, which are younger.
                config = read_config(MODELS / name)
                config = spelled(config, rope_of(config), "4.44")
                folder = copy_with_config(MODELS / name, scratch("spelled") / name, config)
                self.assertReadBack(self.transformers4, folder)

    def test_shards_of_either_version_are_read(self):
        for writer in [reference, self.transformers4]:
            for name in ["qwen2", "gpt-neox"]:
                with self.subTest(name=name, writer=writer):
                    out = self.assertReadBack(writer, MODELS / name, max_shard_size="100KB")
                    index = json.loads((out / "model.safetensors.index.json").read_text())
                    self.assertGreater(len(set(index["weight_map"].values())), 2)

    def test_pickled_weights_are_read(self):
        for name in ["llama-mha", "tiny-shakespeare"]:
            for options in [{}, {"max_shard_size": "100KB"}]:
                with self.subTest(name=name, options=options):
                    out = self.assertReadBack(self.transformers4, MODELS / name,
                                              safe_serialization=False, **options)
                    kinds = {file.suffix for file in out.iterdir()}
                    self.assertEqual((".bin" in kinds, ".safetensors" in kinds), (True, False))

    def test_every_family_is_read_tied_and_untied(self):
        for name in ["llama-mha", "llama-gqa-llama3", "mistral-gqa", "qwen2", "qwen3", "gpt-neox"]:
            with self.subTest(name=name):
                folder = with_other_tying(name)
                theirs = reference.logits(folder, IDS)
                self.assertOtherLogits(theirs, reference.logits(MODELS / name, IDS))
                self.assertSameLogits(logits(folder, IDS), theirs)
