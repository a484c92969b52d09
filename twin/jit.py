"""The one place that touches numba: compiler settings and where compiled kernels are cached.

numba's own cache looks only at the file of the entry point, not at the files it calls into, so a
change in a callee would go unnoticed. The cache folder therefore carries a fingerprint of every
source that kernels may take code or figures from; a changed source gets a fresh folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
F = TypeVar("F", bound=Callable[..., Any])
KERNEL_ROOMS = ("twin", "control", "scenarios")
IMPORT = re.compile(rb"^from ((?:twin|control|scenarios)[\w.]*) import", re.MULTILINE)


def cache_folder() -> Path:
    """Folder of the compiled kernels for exactly these sources, this Python and this numba."""
    digest = hashlib.sha256(f"{sys.version}{numba.__version__}".encode())
    for text in kernel_sources():
        digest.update(text)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "batchtwin" / f"kernels-{digest.hexdigest()[:16]}"


def kernel_sources() -> list[bytes]:
    """Every file with a kernel in it, and every file of ours from which such a file imports by name."""
    text = {path: path.read_bytes() for room in KERNEL_ROOMS for path in sorted((ROOT / room).rglob("*.py"))}
    wanted = {path for path, source in text.items() if b"njit" in source}
    for path in list(wanted):
        wanted |= {ROOT / (name.decode().replace(".", "/") + ".py") for name in IMPORT.findall(text[path])}
    return [source for path, source in text.items() if path in wanted]


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


def njit_rare(function: F) -> F:
    """Compile a kernel that is called once a second or less: a function of its own, since a copy in each caller costs the compiler much and saves little."""
    return numba.njit(cache=True, error_model="numpy", _nrt=False)(function)  # type: ignore[call-overload,no-any-return]


def njit_parallel(function: F) -> F:
    """Compile a kernel whose `prange` loop runs on all cores. Each turn of the loop writes its own rows: the bits do not depend on the threads."""
    return numba.njit(cache=True, error_model="numpy", parallel=True)(function)  # type: ignore[return-value]


# --- handles ------------------------------------------------------------------------------------------------

_KINDS: dict[str, Any] = {}  # numba's type of each kind of tuple that has a handle


def handle(arrays: Any) -> NDArray[np.int64]:
    """Addresses and shapes of a tuple's arrays in one array, for kernels that are called very often: to take a tuple of
    forty arrays out of Python costs 7 µs a call, to take its handle 0.1 µs.

    Args:
        arrays: a named tuple of C-contiguous arrays, or of such tuples. It must outlive the handle and keep its arrays.

    Returns:
        int64; `at` makes the tuple of it again.
    """
    kind = numba.typeof(arrays)
    assert _KINDS.setdefault(type(arrays).__name__, kind) == kind, "compiled for arrays of other types"
    numbers: list[int] = []
    pending = [*arrays]
    while pending:
        a = pending.pop(0)
        if isinstance(a, tuple):
            pending = [*a, *pending]
            continue
        assert a.flags.c_contiguous, "a handle needs contiguous arrays"
        numbers += [a.ctypes.data, *a.shape]
    return np.array(numbers, np.int64)


def _at(_: Any, words: Any, kind: Any) -> Any:
    """In a kernel: the tuple of arrays behind a handle; `kind` is the literal name of its class."""
    tuple_type = _KINDS[kind.literal_value]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        numbers = make_array(signature.args[0])(context, builder, args[0]).data
        place = iter(range(10**6))

        def word() -> Any:
            return builder.load(cgutils.gep_inbounds(builder, numbers, next(place)))

        def view(kind: Any) -> Any:
            if isinstance(kind, types.NamedTuple):
                return context.make_tuple(builder, kind, [view(k) for k in kind])
            array = make_array(kind)(context, builder)
            data = builder.inttoptr(word(), array.data.type)
            shape = [word() for _ in range(kind.ndim)]
            item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
            strides = [item]
            for extent in reversed(shape[1:]):
                strides.insert(0, builder.mul(strides[0], extent))
            populate_array(array, data=data, shape=shape, strides=strides, itemsize=item, meminfo=None)
            return array._getvalue()

        return view(tuple_type)

    return tuple_type(words, kind), generate


at: Any = intrinsic(prefer_literal=True)(_at)
