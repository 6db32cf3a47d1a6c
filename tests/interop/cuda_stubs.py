#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes empty CUDA libraries with which `import torch` works where there is no GPU.

PyTorch's wheel loads libtorch_cuda on every import, and that cuBLAS, cuDNN, NCCL and more: 2 GB of
downloads of which a processor runs nothing. All it takes to load are libraries of the right names
that define the right symbols under the right versions. Each function in them aborts; with a GPU
hidden from PyTorch none is ever called. Where the real libraries are, the wheel finds those first.

Usage: cuda_stubs.py TORCH_LIB_DIR OUT_DIR. Needs nm and a C compiler (as `cc`).
"""

import collections
import subprocess
import sys
from pathlib import Path

LOADERS = ["libtorch_cuda.so", "libtorch_python.so", "libtorch_nvshmem.so"]

# Loaded by name; nothing in them is bound at loading, or their symbols carry no version.
UNVERSIONED = {
    "cuFile": "libcufile.so.0",
    "cusparseLt": "libcusparseLt.so.0",
    "nccl": "libnccl.so.2",
    "curand": "libcurand.so.10",
    "nvshmem": "libnvshmem_host.so.3",
}
VERSION_OF = {"libnvshmem_host.so.3": "NVSHMEM"}  # the others call their version as themselves


def undefined_symbols(library):
    lines = subprocess.run(["nm", "-D", "--undefined-only", library],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        name, _, version = line.split()[-1].partition("@")
        yield name, version.lstrip("@")


def symbols_by_library(torch_lib):
    """Library name -> symbols that PyTorch takes from it."""
    wanted = collections.defaultdict(set, {name: set() for name in UNVERSIONED.values()})
    for loader in LOADERS:
        for name, version in undefined_symbols(torch_lib / loader):
            if version == "NVSHMEM":
                wanted["libnvshmem_host.so.3"].add(name)
            elif version.startswith("libcu") and not version.startswith("libcudart"):
                wanted[version].add(name)
            elif not version:
                for prefix, library in UNVERSIONED.items():
                    if name.startswith(prefix):
                        wanted[library].add(name)
    return wanted


def make_stub(library, symbols, out):
    source = "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in sorted(symbols))
    command = ["cc", "-shared", "-fPIC", "-w", "-x", "c", "-", "-o", str(out / library),
               f"-Wl,-soname,{library}"]
    if library not in UNVERSIONED.values() or library in VERSION_OF:
        versions = out / f"{library}.map"
        versions.write_text(f"{VERSION_OF.get(library, library)} {{ global: *; }};\n")
        command.append(f"-Wl,--version-script={versions}")
    subprocess.run(command, input=source, text=True, check=True)


def make_stubs(torch_lib, out):
    out.mkdir(parents=True, exist_ok=True)
    for library, symbols in symbols_by_library(torch_lib).items():
        make_stub(library, symbols, out)


if __name__ == "__main__":
    make_stubs(Path(sys.argv[1]), Path(sys.argv[2]))
