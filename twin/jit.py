"""The one place that touches numba: compiler settings and where compiled kernels are cached.

numba's own cache looks only at the file of the entry point, not at the files it calls into, so a
change in a callee would go unnoticed. The cache folder therefore carries a fingerprint of every
source that kernels may take code or figures from; a changed source gets a fresh folder.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

ROOT = Path(__file__).resolve().parent.parent
F = TypeVar("F", bound=Callable[..., Any])
KERNEL_ROOMS = ("twin", "control", "scenarios")


def cache_folder() -> Path:
    """Folder of the compiled kernels for exactly these sources, this Python and this numba."""
    digest = hashlib.sha256(f"{sys.version}{numba.__version__}".encode())
    for room in KERNEL_ROOMS:
        for source in sorted((ROOT / room).rglob("*.py")):
            digest.update(source.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "batchtwin" / f"kernels-{digest.hexdigest()[:16]}"


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]


# _nrt=False leaves out reference counting: a kernel is handed a dozen arrays at every call and makes none, and
# the counting made a 10 ms step of an idle plant seven times slower (5.7 µs against 0.8 µs).
# forceinline=True: a call would copy the plant's whole tuple of arrays; inlined it copies nothing (a year in 121 µs
# a batch against 261 µs).
# error_model="numpy": a division by zero gives inf as in hardware and costs no branch. No fastmath:
# it changes the bits of a result from one machine to the next.
def njit(function: F) -> F:
    """Compile a kernel to machine code, cached on disk."""
    return numba.njit(cache=True, error_model="numpy", _nrt=False, forceinline=True)(function)  # type: ignore[call-overload,no-any-return]


def njit_parallel(function: F) -> F:
    """Compile a kernel whose `prange` loop runs on all cores. Each turn of the loop writes its own rows: the bits do not depend on the threads."""
    return numba.njit(cache=True, error_model="numpy", parallel=True)(function)  # type: ignore[return-value]
