# SPDX-License-Identifier: GPL-3.0-or-later
"""Token ids of generated strings: `longlora tokenize` against tokenizers and sentencepiece."""

import json
import re
import unittest

import sentencepiece
import tokenizers

from program import GOLDEN, longlora, scratch
from strings import broken_strings, generated_strings

FOLDER = GOLDEN / "tokenizer"
COUNT = 10_000
BOS = 1
SPM_SPECIAL = {"<unk>": 0, "<s>": 1, "</s>": 2}
# ModelProto.normalizer_spec {add_dummy_prefix: false}: protobuf merges it into the one before.
NO_DUMMY_PREFIX = b"\x1a\x02\x18\x00"


def read_json(file):
    return json.loads(file.read_text(encoding="utf-8"))


def our_ids(folder, texts):
    lines = scratch("lines") / "texts.jsonl"
    lines.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    return longlora("tokenize", "--model", folder, "--lines", lines)["ids"]


class SentencePieceIds:
    """What a model of the Llama family is fed, as tests/golden/MAKING.md defines it."""

    def __init__(self, file, legacy):
        model = file.read_bytes()
        self.whole = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.later = self.whole
        if not legacy:
            self.later = sentencepiece.SentencePieceProcessor(model_proto=model + NO_DUMMY_PREFIX)

    def __call__(self, text):
        """`text` may be bytes. Special tokens become their ids, what is between is encoded."""
        pattern = "(" + "|".join(map(re.escape, SPM_SPECIAL)) + ")"
        pattern = pattern.encode() if isinstance(text, bytes) else pattern
        ids = [BOS]
        for number, part in enumerate(re.split(pattern, text)):
            if number % 2 == 1:
                ids.append(SPM_SPECIAL[part.decode() if isinstance(part, bytes) else part])
            elif part:
                ids += (self.whole if number == 0 else self.later).encode(part)
        return ids


def legacy_copy(name):
    folder = scratch(name + "-legacy")
    (folder / "tokenizer.model").symlink_to(FOLDER / name / "tokenizer.model")
    settings = read_json(FOLDER / name / "tokenizer_config.json") | {"legacy": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def variant_json(variant):
    """tests/golden/tokenizer/variants.json: a published spelling on a small vocabulary."""
    spelling = read_json(FOLDER / variant["base"] / "tokenizer.json")
    for key, value in variant["replace"].items():
        spelling[key] = spelling[key] | value if key == "model" else value
    spelling["added_tokens"] += variant["added_tokens"]
    return spelling


class TokenizersTest(unittest.TestCase):
    def assertSameIds(self, texts, ours, theirs):
        self.assertEqual(len(ours), len(texts))
        different = [i for i in range(len(texts)) if ours[i] != theirs[i]]
        shown = "".join(f"\n{texts[i]!r}\n  ours   {ours[i]}\n  theirs {theirs[i]}"
                        for i in different[:5])
        self.assertFalse(different, f"{len(different)} of {len(texts)} strings differ{shown}")

    def test_sentencepiece_ids_are_all_equal(self):
        texts = generated_strings(COUNT, list(SPM_SPECIAL))
        for name in ["mistral-v1", "tiny-spm"]:
            for legacy in [False, True]:
                with self.subTest(name=name, legacy=legacy):
                    folder = legacy_copy(name) if legacy else FOLDER / name
                    reference = SentencePieceIds(folder / "tokenizer.model", legacy)
                    self.assertSameIds(texts, our_ids(folder, texts), list(map(reference, texts)))

    def test_sentencepiece_ids_of_broken_utf8_are_all_equal(self):
        reference = SentencePieceIds(FOLDER / "tiny-spm" / "tokenizer.model", legacy=False)
        texts = broken_strings(60)
        file = scratch("bytes") / "text.txt"
        ours = []
        for text in texts:
            file.write_bytes(text)
            ours.append(longlora("tokenize", "--model", FOLDER / "tiny-spm", "--file", file)["ids"])
        self.assertSameIds(texts, ours, list(map(reference, texts)))

    def assertSameAsTokenizers(self, folder):
        reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        special = [token.content for token in reference.get_added_tokens_decoder().values()]
        texts = generated_strings(COUNT, special)
        theirs = [encoding.ids for encoding in reference.encode_batch(texts)]
        self.assertSameIds(texts, our_ids(folder, texts), theirs)

    def test_smollm2_ids_are_all_equal(self):
        self.assertSameAsTokenizers(FOLDER / "smollm2")

    def test_ids_of_every_published_spelling_are_all_equal(self):
        for variant in read_json(FOLDER / "variants.json")["variants"]:
            with self.subTest(variant=variant["name"]):
                folder = scratch(variant["name"])
                (folder / "tokenizer.json").write_text(json.dumps(variant_json(variant)))
                self.assertSameAsTokenizers(folder)
