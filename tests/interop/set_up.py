#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the packages of the interop tests into the cache, with pip, their SHA-256 checked.

Usage: set_up.py CACHE_DIR TORCH_DIR. What is there is not fetched again; a set-up that was
interrupted goes on. Where it fails, one line on standard output says why, and the tests repeat it.
"""

import os
import shutil
import subprocess
import sys

from cuda_stubs import make_stubs
from environment import LISTS, Environment

TRIES = {
    "transformers-5": "import torch, transformers, peft, gguf, tokenizers, sentencepiece",
    "transformers-4": "import torch, transformers",
}


class SetUpError(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def install(environment, name):
    """A folder of packages, there when it is complete."""
    target = environment.folder / name
    if target.exists():
        return
    say(f"Fetching the packages of the interop tests: {name}")
    part = environment.folder / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
           "--only-binary=:all:", "--no-compile", "--disable-pip-version-check",
           "--root-user-action=ignore", "--target", part, "-r", environment.requirements(name)]
    # pip keeps unfinished files in TMPDIR: on the cache's disk, not in a small /tmp.
    result = subprocess.run(pip, env=os.environ | {"TMPDIR": str(environment.folder)},
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise SetUpError(f"pip could not install {environment.requirements(name)}: "
                         + result.stderr.strip().splitlines()[-1])
    part.rename(target)


def try_out(environment, name):
    result = subprocess.run([sys.executable, "-c", TRIES[name]],
                            env=environment.variables(name), capture_output=True, text=True)
    if result.returncode != 0:
        last = (result.stderr.strip() or f"exit status {result.returncode}").splitlines()[-1]
        raise SetUpError(f"with the packages of {name}, '{TRIES[name]}' fails: {last}")


def set_up(environment):
    if sys.version_info[:2] != (3, 11):
        raise SetUpError(f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}; "
                         "the wheel of torch in the cache is for 3.11")
    for name in LISTS:
        install(environment, name)
    if not environment.stubs.exists():
        part = environment.folder / "cuda-stubs.part"
        make_stubs(environment.torch / "torch" / "lib", part)
        part.rename(environment.stubs)
    for name in TRIES:
        try_out(environment, name)


def main(cache, torch):
    environment = Environment(cache, torch)
    if environment.complete.exists():
        return 0
    environment.folder.mkdir(parents=True, exist_ok=True)
    try:
        set_up(environment)
    except (SetUpError, OSError, subprocess.CalledProcessError) as error:
        environment.problem.write_text(f"{error}\n")
        print(error)
        return 1
    environment.problem.unlink(missing_ok=True)
    environment.complete.write_text(f"{sys.executable}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
