#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A training step of `longlora` and of transformers with PEFT, in turn, each in a process of its own:
the same shape, context, dtype, attention and trained parameters. Prints a table of medians.

The packages are those of the interop tests: `./workbench test` fetches them into the cache.
Usage: compare_training.py [--shapes mini,smol] [--tokens 4096,8192] [--dtypes bf16,fp32]
                           [--attention s2,full] [--rounds 3] [--steps 2] [--program FILE]
                           [--set memory.recompute=mlp]
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "longlora-workbench"
sys.path.insert(0, str(SOURCE / "tests" / "interop"))
from environment import Environment  # noqa: E402


def run(command, variables):
    result = subprocess.run([str(part) for part in command], env=variables, capture_output=True,
                            text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr[-2000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def ours(program, case, steps, threads, settings):
    shape, tokens, dtype, attention = case
    return run([program, "bench", "train", "--shape", shape / "config.json", "--context", tokens,
                "--attention", attention, "--rounds", steps, "--json",
                "--set", f"precision.compute={dtype}",
                *(word for setting in settings for word in ("--set", setting))],
               os.environ | {"OMP_NUM_THREADS": str(threads)})


def theirs(python, environment, case, steps, threads):
    shape, tokens, dtype, attention = case
    variables = environment.variables("transformers-5") | {"OMP_NUM_THREADS": str(threads)}
    return run([python, SOURCE / "benchmarks" / "train_with_transformers.py", shape, tokens, dtype,
                attention, steps, threads], variables)


def compare(case, options, python, environment):
    """Rounds in alternating order; the medians, and the median of the rounds' own ratios."""
    pairs = []
    for number in range(options.rounds):
        measure = [lambda: ours(options.program, case, options.steps, options.threads,
                                options.set),
                   lambda: theirs(python, environment, case, options.steps, options.threads)]
        order = [0, 1] if number % 2 == 0 else [1, 0]
        results = {which: measure[which]() for which in order}
        pairs.append((results[0], results[1]))
    median = statistics.median
    tokens = case[1]
    return {
        "ours": tokens / median(a["seconds_per_step"] for a, _ in pairs),
        "theirs": tokens / median(b["seconds_per_step"] for _, b in pairs),
        "speed": median(b["seconds_per_step"] / a["seconds_per_step"] for a, b in pairs),
        "our_peak": median(a["peak_bytes"] for a, _ in pairs) / 2**30,
        "their_peak": median(b["peak_bytes"] for _, b in pairs) / 2**30,
        "memory": median(a["peak_bytes"] / b["peak_bytes"] for a, b in pairs),
        "hfu": median(a["hfu"] for a, _ in pairs),
        "planned": median(a["planned_peak_bytes"] / a["peak_bytes"] for a, _ in pairs),
    }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    listed = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--shapes", type=listed, default=["mini", "smol"])
    parser.add_argument("--tokens", type=listed, default=["4096", "8192"])
    parser.add_argument("--dtypes", type=listed, default=["bf16", "fp32"])
    parser.add_argument("--attention", type=listed, default=["s2", "full"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="measured in each process")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="a field of longlora's run configuration")
    parser.add_argument("--program", default=SOURCE / "build" / "bin" / "longlora")
    return parser.parse_args()


def main():
    options = arguments()
    environment = Environment(CACHE, next(CACHE.glob("torch-*")))
    if not environment.complete.exists():
        sys.exit("the packages are not there; ./workbench test fetches them")
    python = environment.complete.read_text().strip()
    print("| shape | tokens | dtype | attention | longlora, tok/s | transformers, tok/s | times as "
          "fast | longlora, GiB | transformers, GiB | share of memory | HFU | planned / peak |")
    print("|" + "---|" * 12, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, tokens, dtype, attention in itertools.product(
                options.shapes, options.tokens, options.dtypes, options.attention):
            shape = Path(scratch) / name
            shape.mkdir(exist_ok=True)
            config = json.loads((SOURCE / "benchmarks" / "shapes" / f"{name}.json").read_text())
            (shape / "config.json").write_text(json.dumps(config))
            row = compare((shape, int(tokens), dtype, attention), options, python, environment)
            print(f"| {name} | {int(tokens):,} | {dtype} | {attention} | {row['ours']:.0f} "
                  f"| {row['theirs']:.0f} | {row['speed']:.2f} | {row['our_peak']:.2f} "
                  f"| {row['their_peak']:.2f} | {row['memory']:.2f} | {row['hfu']:.2f} "
                  f"| {row['planned']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
