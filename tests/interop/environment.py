# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the packages of the interop tests lie, and how Python is started on them."""

import hashlib
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
LISTS = ["shared", "transformers-5", "transformers-4"]
SKIPPED = 77  # CTest's word for it: SKIP_RETURN_CODE


class Environment:
    """Folders under the cache, named after what is to be in them: other versions, other folder."""

    def __init__(self, cache, torch):
        self.torch = Path(torch)
        digest = hashlib.sha256()
        for name in LISTS:
            digest.update(self.requirements(name).read_bytes())
        digest.update((HERE / "cuda_stubs.py").read_bytes())
        self.folder = Path(cache) / f"interop-{digest.hexdigest()[:16]}"

    @staticmethod
    def requirements(name):
        return HERE / "packages" / f"{name}.txt"

    @property
    def stubs(self):
        return self.folder / "cuda-stubs"

    @property
    def problem(self):
        """Why the last set-up failed, in a file."""
        return self.folder / "problem.txt"

    @property
    def complete(self):
        """The Python that it was set up with, in a file; there when all of it is."""
        return self.folder / "complete.txt"

    def variables(self, transformers):
        """Environment variables for a Python with "transformers-5" or "transformers-4"."""
        path = [HERE, self.folder / transformers, self.folder / "shared", self.torch]
        return os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONNOUSERSITE": "1",
            "LD_LIBRARY_PATH": str(self.stubs),
            "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "TRANSFORMERS_VERBOSITY": "error",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
        }
