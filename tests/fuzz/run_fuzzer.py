#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one fuzz target: replays its corpus, then looks for more; or prints what the runs found.

  run_fuzzer.py TARGET --build build/fuzz [--seconds 30]
  run_fuzzer.py --table --build build/fuzz

A find (crash, leak, an input that takes too long, more than 2 GB) is exit status 1 and a file in
BUILD/finds/TARGET, which belongs into the corpus once the fault is repaired.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent

# Targets look at processor time themselves; this stops what never comes back.
LIMITS = ["-timeout=60", "-report_slow_units=60", "-rss_limit_mb=2048", "-malloc_limit_mb=1024",
          "-max_len=16384", "-print_final_stats=1", "-detect_leaks=1"]


def environment():
    options = "allocator_may_return_null=0:detect_stack_use_after_return=0:handle_abort=1"
    return {**os.environ, "ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"}


def run(program, arguments, finds):
    finds.mkdir(parents=True, exist_ok=True)
    command = [program, *LIMITS, f"-artifact_prefix={finds}/", *map(str, arguments)]
    return subprocess.run(command, env=environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")


def number_after(text, pattern):
    found = re.findall(pattern + r"\s*(\d+)", text)
    return int(found[-1]) if found else 0


def fuzz(target, build, seconds):
    """Returns the numbers of this run; prints what libFuzzer says if it finds something."""
    program = build / "bin" / f"{target}_fuzzer"
    corpus = SOURCE / "corpus" / target
    finds = build / "finds" / target
    grown = build / "grown" / target
    grown.mkdir(parents=True, exist_ok=True)
    before = set(finds.glob("*"))
    files = sorted(corpus.iterdir())

    started = time.monotonic()
    replay = run(program, ["-runs=1", *files], finds)
    result = {"target": target, "corpus": len(files),
              "replay_seconds": round(time.monotonic() - started, 1),
              "executions": 0, "edges": 0, "seconds": 0}
    failed = replay
    if replay.returncode == 0 and seconds > 0:
        dictionary = SOURCE / "dictionaries" / f"{target}.dict"
        arguments = [f"-max_total_time={seconds}", grown, corpus]
        if dictionary.is_file():
            arguments.insert(0, f"-dict={dictionary}")
        started = time.monotonic()
        failed = run(program, arguments, finds)
        result["seconds"] = round(time.monotonic() - started)
        result["executions"] = number_after(failed.stdout, "stat::number_of_executed_units:")
        result["edges"] = number_after(failed.stdout, r"\bcov:")
    result["finds"] = [str(file) for file in sorted(set(finds.glob("*")) - before)]
    if failed.returncode != 0:
        print(failed.stdout[-8000:])
        result["finds"] = result["finds"] or ["(no file: see above)"]
    return result


def print_table(build):
    print(f"{'target':20} {'corpus':>7} {'seconds':>8} {'executions':>11} {'per s':>7} "
          f"{'edges':>6} {'finds':>6}")
    for file in sorted((build / "results").glob("*.json")):
        result = json.loads(file.read_text())
        rate = result["executions"] // max(result["seconds"], 1)
        print(f"{result['target']:20} {result['corpus']:7} {result['seconds']:8} "
              f"{result['executions']:11} {rate:7} {result['edges']:6} {len(result['finds']):6}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--seconds", type=int,
                        default=int(os.environ.get("LONGLORA_FUZZ_SECONDS", "30")))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    build = options.build.resolve()
    if options.table:
        print_table(build)
        return
    result = fuzz(options.target, build, options.seconds)
    results = build / "results"
    results.mkdir(exist_ok=True)
    (results / f"{options.target}.json").write_text(json.dumps(result))
    for find in result["finds"]:
        print(f"FOUND by {options.target}: {find}")
    sys.exit(1 if result["finds"] else 0)


if __name__ == "__main__":
    main()
