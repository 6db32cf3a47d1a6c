#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds small source trees and checks that check_architecture.py sees what is wrong in them."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from check_architecture import violations

CHECKER = Path(__file__).with_name("check_architecture.py")
SPDX = "// SPDX-License-Identifier: GPL-3.0-or-later\n"
HEADER = SPDX + "#pragma once\n"

GOOD = {
    "kernels/rms_norm.h": HEADER + "#include <cstdint>\n",
    "kernels/rms_norm_cuda.cu": SPDX + '#include "kernels/rms_norm.h"\n#include <cuda_runtime.h>\n',
    "core/spec/base/error.h": HEADER + "#include <queue>\n#include <string>\n",
    "core/spec/config.cpp": SPDX + '#include "core/spec/base/error.h"\n#include <nlohmann/json.hpp>\n',
    "core/engine/llama.h": HEADER + "#include <ATen/core/Tensor.h>\n",
    "core/engine/llama.cpp": SPDX + '#include "core/engine/llama.h"\n#include "kernels/rms_norm.h"\n'
                                    "#include <torch/torch.h>\n",
    "core/engine/engine_pch.h": HEADER + "#include <ATen/Functions.h>\n",
    "tests/support/model.h": HEADER + "#include <ATen/Functions.h>\n",
    "ui/plots/loss_plot.cpp": SPDX + "#include <qcustomplot.h>\n#include <QWidget>\n"
                                     '#include "loss_plot.moc"\n',
    "app/workbench_main.cpp": SPDX + '#include "core/engine/llama.h"\n#include <QApplication>\n',
    "app/headless_main.cpp": SPDX + '#include "core/engine/llama.h"\n#include <CLI/CLI.hpp>\n',
    "CMakeLists.txt": "# SPDX-License-Identifier: GPL-3.0-or-later\n",
}

# (file, contents, a part of the message it must cause)
BAD = [
    ("kernels/a.cpp", SPDX + "#include <ATen/ATen.h>\n", "must not include LibTorch"),
    ("kernels/a.cpp", SPDX + "#include <c10/core/ScalarType.h>\n", "must not include LibTorch"),
    ("kernels/a.cu", SPDX + '#include "core/spec/base/error.h"\n', "must not include core"),
    ("core/spec/a.cpp", SPDX + "#include <torch/torch.h>\n", "must not include LibTorch"),
    ("core/spec/a.cpp", SPDX + '#include "kernels/rms_norm.h"\n', "must not include kernels"),
    ("core/spec/a.cpp", SPDX + '# include "core/engine/llama.h"\n', "must not include kernels"),
    ("core/spec/a.cpp", SPDX + "#include <QString>\n", "must not include Qt"),
    ("core/spec/a.cpp", SPDX + "#include <QtCore/qglobal.h>\n", "must not include Qt"),
    ("core/engine/a.cpp", SPDX + "#include <qstring.h>\n", "must not include Qt"),
    ("core/engine/a.cpp", SPDX + '#include "ui/plots/loss_plot.cpp"\n', "must not include ui"),
    ("core/engine/a.h", HEADER + "#include <torch/torch.h>\n", "belongs in .cpp files"),
    ("core/engine/engine_pch.h", HEADER + "#include <torch/torch.h>\n", "belongs in .cpp files"),
    ("tests/support/a.h", HEADER + "#include <torch/torch.h>\n", "belongs in .cpp files"),
    ("core/engine/a.cpp", SPDX + '#include "core/engine/engine_pch.h"\n', "the compiler is given"),
    ("core/engine/a.h", HEADER + "#include <ATen/ATen.h>\n", "<ATen/core/Tensor.h> only"),
    ("core/engine/a.h", HEADER + "#include <nlohmann/json.hpp>\n", "JSON belongs"),
    ("ui/a.cpp", SPDX + '#include "core/engine/llama.h"\n', "must not include kernels, engine"),
    ("ui/a.cpp", SPDX + "#include <torch/types.h>\n", "must not include LibTorch"),
    ("ui/a.cpp", SPDX + "#include <qcustomplot.h>\n", "ui/plots/*.cpp only"),
    ("ui/plots/a.h", HEADER + "#include <qcustomplot.h>\n", "ui/plots/*.cpp only"),
    ("app/a.h", HEADER + "#include <ATen/core/Tensor.h>\n", "for core/engine only"),
    ("app/headless_main.cpp", SPDX + "#include <QCoreApplication>\n", "must not include Qt"),
    ("app/commands/train.cpp", SPDX + '#include "ui/plots/loss_plot.cpp"\n', "must not include ui"),
    ("core/spec/a.cpp", SPDX + '#include "error.h"\n', "no such file seen from the source root"),
    ("core/spec/a.cpp", "int a;\n", "SPDX line is missing"),
    ("tests/spec/a.cpp", "int a;\n", "SPDX line is missing"),
    ("core/spec/CMakeLists.txt", "add_library(x)\n", "SPDX line is missing"),
    ("core/spec/a.h", SPDX + "int a;\n", "#pragma once is missing"),
    ("core/spec/a.h", HEADER + "\n" * 159, "161 lines"),
    ("core/spec/a.cpp", SPDX + "\n" * 500, "501 lines"),
]


def write_tree(root, files):
    for path, text in files.items():
        file = Path(root) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


class CheckArchitecture(unittest.TestCase):
    def test_a_good_tree_has_no_violations(self):
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, GOOD)
            self.assertEqual(violations(root), [])

    def test_each_violation_is_found_and_named(self):
        for path, text, message in BAD:
            with self.subTest(path=path, message=message), tempfile.TemporaryDirectory() as root:
                write_tree(root, {**GOOD, path: text})
                found = violations(root)
                self.assertTrue(any(path in f and message in f for f in found), found)

    def test_the_program_fails_on_a_violation_and_on_a_wrong_folder(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertNotEqual(self.run_checker(root), 0)
            write_tree(root, GOOD)
            self.assertEqual(self.run_checker(root), 0)
            write_tree(root, {"core/spec/a.cpp": SPDX + "#include <QString>\n"})
            self.assertEqual(self.run_checker(root), 1)

    @staticmethod
    def run_checker(root):
        return subprocess.run([sys.executable, str(CHECKER), root], capture_output=True).returncode


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
