# SPDX-License-Identifier: GPL-3.0-or-later
"""The built `longlora`, a folder to write in, and the golden data."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from safetensors.numpy import load_file

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SCRATCH = Path(os.environ["LONGLORA_SCRATCH"])


def scratch(name):
    """An empty folder of this name."""
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class ProgramFailed(Exception):
    def __init__(self, arguments, result):
        super().__init__(f"longlora {' '.join(map(str, arguments))}\n{result.stderr}")
        self.status = result.returncode
        self.stderr = result.stderr


def longlora(*arguments):
    """Its JSON object. Raises ProgramFailed."""
    result = subprocess.run([os.environ["LONGLORA_PROGRAM"], *map(str, arguments), "--json"],
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise ProgramFailed(arguments, result)
    return json.loads(result.stdout)


def logits(folder, ids, *options):
    """[tokens, vocabulary], in fp32."""
    files = scratch("logits")
    (files / "ids.json").write_text(json.dumps(list(ids)))
    longlora("logits", "--model", folder, "--ids", files / "ids.json",
             "--out", files / "logits.safetensors", *options)
    return load_file(files / "logits.safetensors")["logits"]
