"""DAC, the audio codec: codes in, sound out, and the other way round.

The network is descript-audio-codec's, read from the package's own weights or from transformers'. Sound and codes are
arrays of numpy; the device is the codec's own affair. Knows nothing of Dia, of delays or of takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.audio import Pcm
from pipeline.engines.dia.batching.delay import Codes
from pipeline.engines.dia.codec.layers import REACH, PlainDecoder, RowsDecoder, replace_layers
from pipeline.engines.dia.codec.weights import CODEBOOK_SIZE, CODEBOOKS, HOP, SAMPLE_RATE_HZ, load_network
from pipeline.errors import EngineError, Problem

__all__ = ["CODEBOOKS", "CODEBOOK_SIZE", "HOP", "OVERLAP", "SAMPLE_RATE_HZ", "WINDOW", "Codec", "load_codec"]

OVERLAP = REACH
WINDOW = 172  # frames, 2 s


class Codec:
    """Nine codebooks of 1,024 entries, 86.13 frames a second.

    The same codes give the same samples, bit for bit, on the same machine with the same number of threads: nothing is
    chosen by timing, and every take is decoded alone.
    """

    def __init__(self, network: Any, decoder: PlainDecoder | RowsDecoder, device: torch.device) -> None:
        """`network`: a `dac.DAC` on `device`, its encoder and quantizer in float32."""
        self._network = network
        self._decoder = decoder
        self._device = device

    def decode(self, codes: NDArray[np.integer[Any]] | Tensor) -> Pcm:
        """Sound `[T * hop]` of codes `[T, C]`, full scale 1.0.

        The memory needed does not grow with `T` beyond the sound itself. Raises `ValueError` for another shape, for
        what are no whole numbers, and for codes out of 0..1023.
        """
        pieces = self.pieces(codes)
        pcm, end = np.empty(len(codes) * HOP, np.float32), 0
        for piece in pieces:
            pcm[end : end + len(piece)] = piece
            end += len(piece)
        return pcm

    def pieces(self, codes: NDArray[np.integer[Any]] | Tensor) -> Iterator[Pcm]:
        """The sound of `decode`, bit for bit, in pieces of 2 s; each is computed when it is asked for.

        Raises `ValueError` as `decode` does, and does so at once.
        """
        array = _checked(codes)
        placed = torch.from_numpy(array.T.copy())[None].to(self._device)  # [1, C, T], in one transfer
        return (self._piece(placed, window) for window in _windows(len(array)))

    def _piece(self, codes: Tensor, window: _Window) -> Pcm:
        """The sound `[(last - first) * hop]` of a window of `codes` `[1, C, T]`."""
        with torch.inference_mode():
            latent = self._network.quantizer.from_codes(codes[:, :, window.start : window.stop])[0]
            sound = self._decoder(latent, window.first - window.start, window.last - window.start)
            samples: Pcm = sound.cpu().numpy()
        return samples

    def encode(self, pcm: Pcm) -> Codes:
        """Codes `[ceil(T / hop), C]` of sound `[T]` at 44,100 Hz, which is padded with silence at its end.

        Always in float32, and in one piece: about 60 MB of memory for each second. Raises `ValueError` for another
        shape, for integers and for numbers that are not finite.
        """
        array = np.asarray(pcm)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"sound must be floats [T], not {array.dtype} {list(array.shape)}")
        if not np.isfinite(array).all():
            raise ValueError("sound must be finite")
        frames = math.ceil(len(array) / HOP)
        if not frames:
            return np.zeros((0, CODEBOOKS), np.int16)
        padded = np.zeros(frames * HOP, np.float32)
        padded[: len(array)] = array
        with torch.inference_mode():
            encoded = self._network.encode(torch.from_numpy(padded)[None, None].to(self._device))[1]  # [1, C, T]
        codes: Codes = encoded[0].T.to(torch.int16).cpu().numpy()
        return codes


def load_codec(path: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Codec:
    """The codec whose weights are in `path`: a file, or the folder it lies in.

    Two kinds are read: the package's (`*.pth`) and transformers' (`model.safetensors` with its config.json).
    `dtype` is that of the decoder; the encoder stays in float32, so that a clip has the same codes in every precision.
    Raises `EngineError` for files that are missing, damaged or of another codec, and for a device that is not there.
    """
    network = load_network(path)
    decoder: PlainDecoder | RowsDecoder | None = None
    try:
        chosen = torch.device(device)
        if chosen.type == "cpu" and dtype == torch.bfloat16:
            decoder, network.decoder = RowsDecoder(network.decoder), None
        network.to(chosen)
        decoder = decoder or PlainDecoder(network.decoder.to(dtype))
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise EngineError(Problem(f"codec device {device}", f"cannot be used: {error}.", 'Use "cpu".')) from error
    for part in (network.encoder, network.quantizer):
        replace_layers(part)
    if chosen.type == "cuda":
        # Only the codec convolves. Atomics and TF32 would make a take depend on more than its codes and its precision.
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
    return Codec(network, decoder, chosen)


@dataclass(frozen=True)
class _Window:
    """Frames `[start, stop)` are decoded, `[first, last)` of them kept."""

    start: int
    stop: int
    first: int
    last: int


def _windows(frames: int) -> Iterator[_Window]:
    """Windows that keep every frame once, each with `OVERLAP` frames of context wherever there are any.

    All are equally long (the last begins sooner for it), so that kernels are set up for one shape.
    """
    span = min(frames, WINDOW + 2 * OVERLAP)
    kept = 0
    while kept < frames:
        start = min(max(kept - OVERLAP, 0), frames - span)
        stop = start + span
        last = frames if stop == frames else stop - OVERLAP
        yield _Window(start, stop, kept, last)
        kept = last


def _checked(codes: NDArray[np.integer[Any]] | Tensor) -> NDArray[np.int64]:
    array = np.asarray(codes)
    if array.ndim != 2 or array.shape[1] != CODEBOOKS or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"codes must be whole numbers [T, {CODEBOOKS}], not {array.dtype} {list(array.shape)}")
    wrong = np.argwhere((array < 0) | (array >= CODEBOOK_SIZE))
    if len(wrong):
        frame, codebook = wrong[0]
        code = array[frame, codebook]
        raise ValueError(f"code {code} of frame {frame}, codebook {codebook} is not in 0..{CODEBOOK_SIZE - 1}")
    return array.astype(np.int64)
