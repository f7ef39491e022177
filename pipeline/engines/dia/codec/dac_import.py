"""descript-audio-codec's network class, on machines where importing it as it stands fails.

The package imports audiotools, which imports torchaudio, whose native extension is built for CUDA: beside a torch for
the CPU, or for another CUDA, it does not load. The codec never calls it. torchaudio has a mode without the extension,
for builds that lack it, and that mode is chosen here. torchaudio stays the real one, for others that use it.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import Any, NoReturn

from pipeline.errors import EngineError, Problem

_EXTENSION = "torchaudio._extension"
_NEXT = 'Install it again: pip install --force-reinstall "descript-audio-codec>=1.0,<2"'


def dac_class() -> Any:
    """`dac.DAC`, a `torch.nn.Module` class; the first call takes half a second.

    Raises `EngineError` where descript-audio-codec or a library it needs is missing or broken.
    """
    try:
        with warnings.catch_warnings():
            # torch has deprecated torch.jit.script and weight_norm, and the package uses both.
            warnings.simplefilter("ignore", DeprecationWarning)
            import_torchaudio()
            return importlib.import_module("dac.model.dac").DAC
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(Problem("descript-audio-codec", f"cannot be imported: {error}.", _NEXT)) from error


def import_torchaudio() -> None:
    """Import torchaudio, without its native extension where that does not load.

    Raises what importing torchaudio raises if it fails for another reason.
    """
    try:
        importlib.import_module("torchaudio")
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError, RuntimeError):  # a library that is missing, or built for another CUDA
        _forget_torchaudio()
        sys.modules[_EXTENSION] = _absent_extension()
        try:
            importlib.import_module("torchaudio")
        except BaseException:
            _forget_torchaudio()
            raise


def _forget_torchaudio() -> None:
    """Drop what a failed import leaves behind, so that the next one starts afresh."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]


def _absent_extension() -> Any:
    """What `torchaudio._extension` is in a build of torchaudio 2.11 without native code."""
    extension: Any = module_from_spec(ModuleSpec(_EXTENSION, None))
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension._IS_ALIGN_AVAILABLE = False
    extension.fail_if_no_align = _failing
    extension._check_cuda_version = lambda: None
    return extension


def _failing(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    def fail(*_args: Any, **_options: Any) -> NoReturn:
        raise RuntimeError(f"{function.__name__} needs torchaudio's native extension, which does not load here")

    return fail
