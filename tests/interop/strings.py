# SPDX-License-Identifier: GPL-3.0-or-later
"""Strings of every kind, always the same ones: what tokenizers disagree about."""

import random
import sys
import unicodedata

BLOCKS = [
    (0x20, 0x7F), (0xA0, 0x180), (0x250, 0x2B0), (0x300, 0x370), (0x370, 0x400), (0x400, 0x530),
    (0x590, 0x700), (0x900, 0x980), (0xB80, 0xC00), (0xE00, 0xE80), (0xF00, 0x1000),
    (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x20A0, 0x2C00), (0x3000, 0x3100),
    (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xE000, 0xE100), (0xFB00, 0xFE00), (0xFE00, 0x10000),
    (0x10000, 0x10200), (0x1D400, 0x1D800), (0x1F000, 0x1FB00), (0x20000, 0x20100),
    (0xE0000, 0xE0200),
]
WORDS = ("the of and to a in is it you that he was for on are with as I his they be at one have "
         "don't we'll I'VE She'd they're it's 'Tis O'Neil don’t HELLO Hello hello helloWorld "
         "naïve Straße ΟΔΥΣΣΕΥΣ ﬁne Ⅷ ½ x² café cafe\u0301 İstanbul 你好 世界 こんにちは 안녕 мир "
         "שלום مرحبا नमस्ते สวัสดี e.g. U.S.A. www.example.com a@b.c #tag $12.50 100% C++ f(x)"
         ).split()
SPACES = [" ", "  ", "   ", "        ", "\t", "\n", "\n\n", "\r\n", " \n", "\n ", "\u00a0",
          "\u2003", "\u3000", "\u200b", "\ufeff", "\u2028", "\v", "\f", "\x1c", "\x85"]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "❤️", "1️⃣", "🧑🏿‍🚀", "☺", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
MARKS = ["\u0301", "\u0323", "\u0308", "\u20dd", "\u0e34", "\u093f", "\u064b", "\u05b4", "\u200d",
         "\u200c", "\u202e", "\u2066", "\ufe0f"]
CODE = ["def f(x):\n    return x**2\n", "if (a != b) { ++i; }\n", "\t\tfoo->bar();", "<p class='x'>",
        "SELECT * FROM t;", "0x1F", "1e-5", "x_1 = [1, 2, 3]", "// --- ", "!!!???...", "====",
        "\\n\\t", "&amp;", "▁", "▁▁", "Ġ", "<0x0A>", "<|", "[INST]"]


def character(rng):
    """Any character that may stand in a text; not half a surrogate pair."""
    if rng.random() < 0.1:
        code = rng.randrange(sys.maxunicode + 1)
    else:
        code = rng.randrange(*rng.choice(BLOCKS))
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def run_in_block(rng):
    low, high = rng.choice(BLOCKS)
    return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 12)))


def piece(rng, special):
    kind = rng.randrange(12)
    if kind < 3:
        return rng.choice(WORDS)
    if kind < 5:
        return rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 5])
    if kind == 5:
        return str(rng.randrange(10 ** rng.randint(1, 12)))
    if kind == 6:
        return rng.choice(EMOJI)
    if kind == 7:
        return rng.choice(CODE)
    if kind == 8:
        return rng.choice(WORDS) + rng.choice(MARKS) * rng.randint(1, 3)
    if kind == 9:
        return run_in_block(rng)
    if kind == 10 and special:
        return rng.choice(special)
    return character(rng)


def generated_strings(count, special, seed=2024):
    """`special`: strings that the tokenizer takes for special tokens."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        text = "".join(piece(rng, special) for _ in range(rng.choice([1, 2, 3, 5, 8, 20])))
        if rng.random() < 0.05:
            text = unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC", "NFKD"]), text)
        texts.append(text)
    return texts


def broken_strings(count, seed=7):
    """Bytes that are not UTF-8: torn characters, stray and overlong ones, surrogates."""
    rng = random.Random(seed)
    torn = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe4\xbd",
            b"\xf0\x9f\x98", b"\xc3"]
    texts = []
    for _ in range(count):
        whole = bytearray("".join(piece(rng, []) for _ in range(5)).encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randint(0, len(whole))
            whole[at:at] = rng.choice(torn)
        texts.append(bytes(whole))
    return texts
