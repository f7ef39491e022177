"""espeak-ng's library from the `espeakng-loader` wheel, loaded anew for each use.

It keeps state from one utterance to the next, so that the same text spoken twice in one process differs. Loading it
anew for each line (2 to 8 ms) gives the same bytes every time.
"""

from __future__ import annotations

import _ctypes
import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import EngineError, Problem

SAMPLE_RATE_HZ = 22_050

# speak_lib.h
_SYNCHRONOUS = 2  # in this thread; the asynchronous modes poll every 20 ms
_BUFFER_MS = 2000
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_IPA = 2

_one_at_a_time = threading.Lock()  # the library is one per process, whatever the number of engines


@contextmanager
def espeak_with_voice(name: str, seed: int = 0) -> Iterator[ctypes.CDLL]:
    """The library as long as a block lasts, with the voice called `name`, such as `en-us+f3`.

    Raises `EngineError` where it does not start, or has no such voice.
    """
    import espeakng_loader  # noqa: PLC0415 - an optional extra

    with _one_at_a_time:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        try:
            path = str(espeakng_loader.get_data_path()).encode()
            rate_hz = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, path, _INITIALIZE_DONT_EXIT)
            if rate_hz != SAMPLE_RATE_HZ:
                raise EngineError(Problem("espeak-ng", f"espeak-ng did not start (it answered {rate_hz})."))
            library.espeak_ng_SetRandSeed(ctypes.c_long(seed & 0x7FFF_FFFF))
            if library.espeak_SetVoiceByName(name.encode()) != 0:
                raise EngineError(Problem("espeak-ng", f'espeak-ng has no voice "{name}".'))
            yield library
        finally:
            library.espeak_Terminate()
            _ctypes.dlclose(library._handle)


def espeak_text(text: str) -> bytes:
    """`text` as espeak-ng takes it, to whom a zero is the end; what is no character of UTF-8 is left out."""
    return text.replace("\0", " ").encode(errors="ignore")


def espeak_phonemes(library: ctypes.CDLL, text: str) -> str:
    """What `library` makes of `text` with the voice that is set: IPA, words apart by spaces, without punctuation."""
    translate = library.espeak_TextToPhonemes
    translate.restype = ctypes.c_char_p
    rest = ctypes.c_char_p(espeak_text(text))
    clauses = []
    while rest.value is not None:  # it is moved on by a clause with each call
        clauses.append((translate(ctypes.byref(rest), _CHARS_UTF8, _IPA) or b"").decode())
    return " ".join(" ".join(clauses).split())
