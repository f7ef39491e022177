"""Runs kernels on the threads that torch computes with: numba compiles them, torch's own OpenMP pool runs them.

A second pool beside torch's would have two threads for every core, each waiting busily for the other. numba's own
layers need a libgomp of the system's, which may be another than torch's, and its `workqueue` made a step six times
slower. So no layer of numba's is used at all.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import torch
from numba import types

from pipeline.files import cache_folder

_log = logging.getLogger(__name__)


class Kernel:
    """A function of the address of a block of int64, compiled for this machine when it is first called.

    The block begins with the number of the next piece of work, which `llvm.claim` takes and counts up; the function
    takes pieces until there are none left, so it does not matter how many threads run it. The rest of the block are
    the arguments: numbers, and addresses of memory.
    """

    def __init__(self, function: Callable[[Any], None]) -> None:
        self._function = function

    @functools.cached_property
    def compiled(self) -> Any:
        """The compiled function, from the cache where it is there."""
        with _cache() as kept:
            return numba.cfunc(types.void(types.voidptr), cache=kept)(self._function)

    def __call__(self, *arguments: int) -> None:
        """Run on all of torch's threads, and return when all are done."""
        block = (ctypes.c_int64 * (1 + len(arguments)))(0, *arguments)  # an array of numpy's takes 2 us longer
        threads, pool = torch.get_num_threads(), _pool()
        if pool is None or threads == 1:
            self.compiled.ctypes(ctypes.addressof(block))
        else:
            pool(self.compiled.address, ctypes.addressof(block), threads, 0)


@functools.cache
def _pool() -> Callable[[int, int, int, int], None] | None:
    """libgomp's entry, which LLVM's libomp has too, from the library torch has loaded. None: one thread must do."""
    package = Path(torch.__file__).parent
    for folder in (package / "lib", package.parent / "torch.libs"):
        for name in ("libgomp*", "libomp*", "libiomp5*"):
            for library in sorted(folder.glob(name)):
                try:
                    entry = ctypes.CDLL(str(library)).GOMP_parallel
                except (OSError, AttributeError):
                    continue
                entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
                entry.restype = None
                return entry
    return None


@contextmanager
def _cache() -> Iterator[bool]:
    """Keep what is compiled in a folder of its own for each state of this code: numba looks at single files only.

    False where that folder cannot be written.
    """
    before, folder = numba.config.CACHE_DIR, _kernels_folder()
    if folder is None:
        yield False
        return
    numba.config.CACHE_DIR = str(folder)
    try:
        yield True
    finally:
        numba.config.CACHE_DIR = before


@functools.cache
def _kernels_folder() -> Path | None:
    """Where it is; made, and compiling announced, the first time."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    named = hashlib.sha256(sources + numba.__version__.encode()).hexdigest()[:16]
    folder = cache_folder() / "kernels" / named
    if folder.exists():
        return folder
    _log.warning("compiling kernels for this CPU, once: this takes about half a minute")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        _log.warning("they cannot be kept in %s and will be compiled again: %s", folder, error.strerror or error)
        return None
    return folder
