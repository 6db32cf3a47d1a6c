#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `longlora bench train` plans beside what it then measures, for ten runs of different settings,
each in a process of its own. Prints a table.

Usage: plan_against_runs.py [--shape FILE] [--program FILE]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]

RUNS = [
    "--context 2048 --set precision.compute=fp32",
    "--context 4096 --set precision.compute=bf16",
    "--context 8192 --set precision.compute=bf16 --group 1024",
    "--context 4096 --attention full --set precision.compute=bf16",
    "--context 2048 --set precision.compute=fp32 --set method=full",
    "--context 4096 --set precision.compute=bf16 --set memory.recompute=full",
    "--context 4096 --set precision.compute=bf16 --set memory.recompute=none",
    "--context 1024 --set precision.compute=bf16 --set batch.micro_batch=4",
    "--context 4096 --set precision.compute=bf16 --quantization nf4",
    "--context 2048 --set precision.compute=fp32 --set lora.rank=64 "
    "--set lora.train_embeddings=false",
]


def measured(program, shape, run):
    command = [str(program), "bench", "train", "--shape", str(shape), "--rounds", "1", "--json",
               *run.split()]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stderr[-2000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=Path,
                        default=SOURCE / "benchmarks" / "shapes" / "mini.json")
    parser.add_argument("--program", type=Path, default=SOURCE / "build" / "bin" / "longlora")
    options = parser.parse_args()
    print("| settings | planned peak, MiB | measured, MiB | planned / measured |")
    print("|" + "---|" * 4, flush=True)
    for run in RUNS:
        result = measured(options.program, options.shape, run)
        planned, peak = result["planned_peak_bytes"], result["peak_bytes"]
        print(f"| `{run.replace('--set ', '')}` | {planned / 2**20:.0f} | {peak / 2**20:.0f} "
              f"| {planned / peak:.3f} |", flush=True)


if __name__ == "__main__":
    main()
