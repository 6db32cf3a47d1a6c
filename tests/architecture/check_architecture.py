#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the rules that hold the house together and that no compiler checks.

Link lists alone do not keep the libraries apart: a header under /usr/include is always in reach.
Usage: check_architecture.py SOURCE_DIR. Prints one line per violation; exit status 1 if any.
"""

import re
import sys
from pathlib import Path

HEADERS = {".h", ".cuh"}
SOURCES = {".cpp", ".cu"}
SCRIPTS = {".py", ".sh", ".cmake"}
MAX_HEADER_LINES = 160
MAX_SOURCE_LINES = 500

# Folders with C++ of ours; the first five are the libraries and programs with walls between them.
CODE_FOLDERS = ["kernels", "core", "ui", "app", "tests", "benchmarks"]

# CMake puts it before every file of the engine; nothing includes it.
PRECOMPILED = "core/engine/engine_pch.h"

TORCH = re.compile(r"(torch|ATen|c10|caffe2)/")
QT = re.compile(r"Q[A-Z]\w*(/.*)?$|Qt\w*(/.*)?$|q[a-z]+\.h$")
NOT_A_QT_HEADER = {"queue.h", "quota.h"}


def is_torch(include):
    return TORCH.match(include) is not None


def is_qt(include):
    return QT.match(include) is not None and include not in NOT_A_QT_HEADER


in_tests = re.compile(r"(tests|benchmarks)/").match


def below(*folders):
    return lambda include: include.startswith(tuple(folder + "/" for folder in folders))


# folder -> [(what it must not include, predicate)]; the longest matching folder counts.
WALLS = {
    "kernels": [
        ("LibTorch", is_torch),
        ("Qt", is_qt),
        ("core, ui or app", below("core", "ui", "app")),
    ],
    "core/spec": [
        ("LibTorch", is_torch),
        ("Qt", is_qt),
        ("kernels, engine, ui or app", below("kernels", "core/engine", "ui", "app")),
    ],
    "core/engine": [
        ("Qt", is_qt),
        ("ui or app", below("ui", "app")),
    ],
    "ui": [
        ("LibTorch", is_torch),
        ("kernels, engine or app", below("kernels", "core/engine", "app")),
    ],
    # The headless program: no Qt in its main or in any of its commands.
    "app/headless_main.cpp": [("Qt", is_qt), ("ui", below("ui"))],
    "app/commands": [("Qt", is_qt), ("ui", below("ui"))],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(lines):
    """Yields (line number, '<' or '"', what is included)."""
    for number, line in enumerate(lines, start=1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def walls_of(path):
    folders = [f for f in WALLS if path == f or path.startswith(f + "/")]
    return WALLS[max(folders, key=len)] if folders else []


def check_includes(path, lines, root):
    is_header = Path(path).suffix in HEADERS
    for number, bracket, include in includes(lines):
        where = f"{path}:{number}: includes {include}"
        for name, forbidden in walls_of(path):
            if forbidden(include):
                yield f"{where}; {'/'.join(path.split('/')[:-1])} must not include {name}"
        if is_header and include == "torch/torch.h":
            yield f"{where}; it takes ten seconds to parse and belongs in .cpp files"
        elif is_header and is_torch(include) and path != PRECOMPILED and not in_tests(path):
            if not path.startswith("core/engine/"):
                yield f"{where}; LibTorch in headers is for core/engine only"
            elif include != "ATen/core/Tensor.h":
                yield f"{where}; headers may take <ATen/core/Tensor.h> only"
        if include == PRECOMPILED:
            yield f"{where}; the compiler is given it, files include what they use"
        if include.startswith("nlohmann/") and is_header and not in_tests(path):
            yield f"{where}; JSON belongs in .cpp files"
        if include == "qcustomplot.h" and not re.fullmatch(r"ui/plots/[^/]+\.cpp", path):
            yield f"{where}; it belongs in ui/plots/*.cpp only"
        if bracket == '"' and not include.endswith(".moc") and not (root / include).is_file():
            yield f"{where}; there is no such file seen from the source root"


def check_form(path, lines):
    suffix = Path(path).suffix
    if not any("SPDX-License-Identifier: GPL-3.0-or-later" in line for line in lines[:2]):
        yield f"{path}:1: the SPDX line is missing"
    if suffix in HEADERS and "#pragma once" not in lines:
        yield f"{path}:1: #pragma once is missing"
    limit = {**dict.fromkeys(HEADERS, MAX_HEADER_LINES),
             **dict.fromkeys(SOURCES, MAX_SOURCE_LINES)}.get(suffix)
    if limit and len(lines) > limit:
        yield f"{path}:{limit}: {len(lines)} lines; {suffix} files have at most {limit}"


def files_to_check(root):
    """Yields every file with rules, relative to the root."""
    for name in ["CMakeLists.txt", "workbench", ".ci/run"]:
        if (root / name).is_file():
            yield name
    for folder in CODE_FOLDERS + ["cmake", "resources"]:
        for file in sorted((root / folder).rglob("*")):
            known = file.suffix in HEADERS | SOURCES | SCRIPTS or file.name == "CMakeLists.txt"
            path = file.relative_to(root).as_posix()
            if file.is_file() and known and not path.startswith("tests/golden/"):
                yield path


def violations(root):
    root = Path(root)
    found = []
    for path in files_to_check(root):
        lines = (root / path).read_text(encoding="utf-8", errors="replace").splitlines()
        found.extend(check_form(path, lines))
        if Path(path).suffix in HEADERS | SOURCES:
            found.extend(check_includes(path, lines, root))
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_architecture.py SOURCE_DIR")
    if not (Path(sys.argv[1]) / "core" / "spec").is_dir():
        sys.exit(f"{sys.argv[1]} is not the source folder of this project")
    found = violations(sys.argv[1])
    print("\n".join(found) if found else "no violations")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
