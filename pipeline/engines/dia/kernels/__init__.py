"""Kernels for CPUs, compiled by numba when they are first used. Only this folder knows numba.

Which tier a CPU gets: "amx" and "vnni" are instructions of its own, "plain" are loops of which LLVM makes what the CPU
has, and None leaves all to torch.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Collection

_log = logging.getLogger(__name__)


def tier(features: Collection[str], most: str | None = None) -> str | None:
    """The quickest tier that a CPU with `features` has and that computes right; no quicker than `most`.

    None where numba is missing, cannot compile here, or `most` is "torch".
    """
    if most == "torch":
        return None
    try:
        products = importlib.import_module("pipeline.engines.dia.kernels.products")
        attention = importlib.import_module("pipeline.engines.dia.kernels.attention")
    except ImportError as error:
        _log.warning("no kernels of our own, and slower for it: %s", error)
        return None
    usable: tuple[str, ...] = products.tiers(frozenset(features))
    for name in usable[usable.index(most) if most in usable else 0 :]:
        wrong = products.check(name) or attention.check(name)
        if not wrong:
            return name
        _log.warning("kernels %s compute wrongly here and are not used: %s", name, wrong)
    return None
