#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encodes one text on one thread with tokenizer_benchmark and with the Python packages tokenizers
and sentencepiece: ids compared, then several rounds side by side in alternating order.

Each measurement is the processor time of the first encoding in a process of its own, loading left
out: on one thread it is the time that passes on an idle machine.
Usage: compare_tokenizers.py TEXT [ROUNDS] [FOLDER...], with a Python that has the two packages;
FOLDER as tests/golden/tokenizer/smollm2 (tokenizer.json) or mistral-v1 (tokenizer.model).
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
PROGRAMS = SOURCE / "build" / "bin"
FOLDERS = [SOURCE / "tests" / "golden" / "tokenizer" / name for name in ["smollm2", "mistral-v1"]]
ONE_THREAD = os.environ | {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1",
                           "OMP_NUM_THREADS": "1"}


def encoder(folder):
    """The package that reads this folder, and its fastest way from a text to ids."""
    if (folder / "tokenizer.json").exists():
        import tokenizers
        reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        return "tokenizers", lambda text: reference.encode_batch_fast([text])[0].ids
    import sentencepiece
    reference = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    return "sentencepiece", lambda text: [1] + reference.encode(text)


def measure_theirs(folder, text):
    encode = encoder(folder)[1]
    content = text.read_text(encoding="utf-8")
    start = time.process_time()
    encode(content)
    return time.process_time() - start


def their_seconds(folder, text):
    command = [sys.executable, __file__, "--measure", folder, text]
    return float(subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True,
                                check=True).stdout)


def our_seconds(folder, text):
    command = [PROGRAMS / "tokenizer_benchmark", folder, "--benchmark_filter=encode/",
               "--benchmark_min_time=0.001", "--benchmark_format=json"]
    result = subprocess.run(command, env=ONE_THREAD | {"LONGLORA_BENCHMARK_TEXT": str(text)},
                            capture_output=True, text=True, check=True)
    return json.loads(result.stdout)["benchmarks"][0]["cpu_time"] / 1000


def our_ids(folder, text):
    command = [PROGRAMS / "longlora", "tokenize", "--model", folder, "--file", text, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True,
                                     check=True).stdout)["ids"]


def compare(folder, text, rounds):
    package, encode = encoder(folder)
    if our_ids(folder, text) != encode(text.read_text(encoding="utf-8")):
        sys.exit(f"{folder.name}: the ids differ")
    measures = {"ours": our_seconds, "theirs": their_seconds}
    seconds = {who: [] for who in measures}
    for number in range(rounds):
        for who in sorted(measures, reverse=number % 2 == 1):
            seconds[who].append(measures[who](folder, text))
    ours, theirs = (statistics.median(seconds[who]) for who in ["ours", "theirs"])
    ratios = sorted(b / a for a, b in zip(seconds["ours"], seconds["theirs"]))
    print(f"| {folder.name} | {package} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.2f} "
          f"({ratios[0]:.2f} to {ratios[-1]:.2f}) |", flush=True)


def main(text, rounds="7", *folders):
    text = Path(text).resolve()
    print(f"{text.name}, {text.stat().st_size:,} bytes; ids are equal; medians of {rounds} rounds\n")
    print("| tokenizer | package | longlora, s | package, s | times as fast |")
    print("|---|---|---|---|---|")
    for folder in map(Path, folders or FOLDERS):
        compare(folder.resolve(), text, int(rounds))


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        print(measure_theirs(Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        main(*sys.argv[1:])
