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
from torch import Tensor, nn
from torch.nn import functional

from pipeline.audio import Pcm
from pipeline.engines.dia.codec_weights import CODEBOOK_SIZE, CODEBOOKS, HOP, SAMPLE_RATE_HZ, load_network
from pipeline.engines.dia.delay import Codes
from pipeline.errors import EngineError, Problem

__all__ = ["CODEBOOKS", "CODEBOOK_SIZE", "HOP", "OVERLAP", "SAMPLE_RATE_HZ", "WINDOW", "Codec", "load_codec"]

OVERLAP = 10  # frames: a sample depends on 9.3 frames before it and 9.3 after it
WINDOW = 172  # frames, 2 s


class Codec:
    """Nine codebooks of 1,024 entries, 86.13 frames a second.

    The same codes give the same samples, bit for bit, on the same machine: nothing is chosen by timing, and every take
    is decoded alone.
    """

    def __init__(self, network: Any, device: torch.device) -> None:
        """`network`: a `dac.DAC` on `device`, its encoder and quantizer in float32."""
        self._network = network
        self._device = device
        self._dtype = network.decoder.model[0].weight.dtype

    def decode(self, codes: NDArray[np.integer[Any]] | Tensor) -> Pcm:
        """Sound `[T * hop]` of codes `[T, C]`, full scale 1.0.

        The memory needed does not grow with `T` beyond the sound itself. Raises `ValueError` for another shape, for
        what are no whole numbers, and for codes out of 0..1023.
        """
        array = _checked(codes)
        pcm = np.empty(len(array) * HOP, np.float32)
        with torch.inference_mode():
            for window in _windows(len(array)):
                piece = torch.from_numpy(array[window.start : window.stop].T.copy())[None].to(self._device)  # [1, C, T]
                latent = self._network.quantizer.from_codes(piece)[0].to(self._dtype)
                sound = self._network.decoder(latent)[0, 0].float().cpu().numpy()
                first, last = ((frame - window.start) * HOP for frame in (window.first, window.last))
                pcm[window.first * HOP : window.last * HOP] = sound[first:last]
        return pcm

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
            found = self._network.encode(torch.from_numpy(padded)[None, None].to(self._device))[1]  # [1, C, T]
        codes: Codes = found[0].T.to(torch.int16).cpu().numpy()
        return codes


def load_codec(path: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Codec:
    """The codec whose weights are in `path`: a file, or the folder it lies in.

    Two kinds are read: the package's (`*.pth`) and transformers' (`model.safetensors` with its config.json).
    `dtype` is that of the decoder; the encoder stays in float32, so that a clip has the same codes in every precision.
    Raises `EngineError` for files that are missing, damaged or of another codec, and for a device that is not there.
    """
    network = load_network(path)
    try:
        chosen = torch.device(device)
        network.decoder.to(dtype)
        network.to(chosen)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise EngineError(Problem(f"codec device {device}", f"cannot be used: {error}.", 'Use "cpu".')) from error
    for part in (network.encoder, network.quantizer):
        _replace_layers(part, channels_last=False)
    _replace_layers(network.decoder, channels_last=chosen.type == "cpu" and dtype != torch.float32)
    if chosen.type == "cuda":
        # Only the codec convolves. Atomics and TF32 would make a take depend on more than its codes and its precision.
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
    return Codec(network, chosen)


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


class _Snake(nn.Module):
    """x + sin²(αx) / α. The package's is compiled by torch.jit, which may change the last bits after some calls."""

    def __init__(self, snake: Any) -> None:
        super().__init__()
        self.alpha: nn.Parameter = snake.alpha  # [1, channels, 1]

    def forward(self, x: Tensor) -> Tensor:
        wave = (self.alpha * x).sin_().square_()
        return torch.addcmul(x, wave, (self.alpha + 1e-9).reciprocal(), out=wave)


class _Pointwise(nn.Module):
    """A convolution of width 1 as the matrix product it is.

    Faster than the convolution on a CPU, and there its bits depend neither on the length nor on the number of threads.
    """

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        self.weight = convolution.weight  # [out, in, 1]
        self.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        return torch.baddbmm(self.bias[:, None], self.weight[None, :, :, 0].expand(len(x), -1, -1), x)


class _ChannelsLast(nn.Module):
    """A convolution of samples whose channels lie side by side in memory; what follows it finds them so too.

    oneDNN computes bf16 in this order and otherwise rearranges the samples before and after every layer, which took as
    long as computing them. In float32 it gains little, and costs the bits' independence of threads and length.
    """

    def __init__(self, convolution: nn.Conv1d | nn.ConvTranspose1d) -> None:
        super().__init__()
        weight = convolution.weight.detach()[:, :, None]  # [out, in, 1, width], torch knows the order for images only
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.bias = convolution.bias
        self._transposed = isinstance(convolution, nn.ConvTranspose1d)
        self._stride = (1, convolution.stride[0])
        self._padding = (0, int(convolution.padding[0]))
        self._dilation = (1, convolution.dilation[0])

    def forward(self, x: Tensor) -> Tensor:
        image, weight, bias = x[:, :, None], self.weight, self.bias
        if self._transposed:
            return functional.conv_transpose2d(image, weight, bias, self._stride, self._padding)[:, :, 0]
        return functional.conv2d(image, weight, bias, self._stride, self._padding, self._dilation)[:, :, 0]


def _replace_layers(network: nn.Module, channels_last: bool) -> None:
    """Swap the layers that this module computes in its own way."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer).__name__ == "Snake1d":
                setattr(parent, name, _Snake(layer))
            elif channels_last and isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
                setattr(parent, name, _ChannelsLast(layer))
            elif isinstance(layer, nn.Conv1d) and layer.kernel_size == (1,):
                setattr(parent, name, _Pointwise(layer))
