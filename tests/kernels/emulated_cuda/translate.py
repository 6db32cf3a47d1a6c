#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""CUDA's own syntax as C++ for the emulation: launches and dynamic shared memory.

Usage: translate.py FROM.cu TO.cpp
"""

import re
import sys
from pathlib import Path

LAUNCH = re.compile(r"(\b[A-Za-z_]\w*(?:<[\w, ]*>)?)<<<(.*?)>>>\(", re.DOTALL)
SHARED = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")


def translated(text):
    text = LAUNCH.sub(r"emulated_cuda::launch(\2, [](auto... a) { \1(a...); })(", text)
    text = SHARED.sub(r"\1* \2 = static_cast<\1*>(emulated_cuda::dynamicShared());", text)
    assert "<<<" not in text and "extern __shared__" not in text
    return text


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(f'#line 1 "{source}"\n' + translated(source.read_text()))
