#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one file of interop tests on the packages that set_up.py fetched, as CTest does.

Usage: run.py CACHE_DIR TORCH_DIR PROGRAM SCRATCH_DIR TEST [unittest's options]
"""

import os
import sys

from environment import HERE, SKIPPED, Environment


def main(cache, torch, program, scratch, test, *options):
    environment = Environment(cache, torch)
    if not environment.complete.exists():
        reason = "its packages are not there; ./workbench test fetches them"
        if environment.problem.exists():
            reason = environment.problem.read_text().strip()
        print(f"SKIPPED: {test}, because {reason}")
        return SKIPPED
    python = environment.complete.read_text().strip()
    os.makedirs(scratch, exist_ok=True)
    variables = environment.variables("transformers-5") | {
        "LONGLORA_PROGRAM": program,
        "LONGLORA_SCRATCH": scratch,
        "LONGLORA_CACHE": cache,
        "LONGLORA_TORCH": torch,
    }
    os.chdir(HERE)
    os.execve(python, [python, "-m", "unittest", *options, test], variables)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
