"""DAC, the audio codec: codes in, sound out, and the other way round.

The network is descript-audio-codec's, read from the package's own weights or from transformers'. Sound and codes are
arrays of numpy; the device is the codec's own affair. Knows nothing of Dia, of delays or of takes.
"""

from __future__ import annotations

import json
import math
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.audio import Pcm
from pipeline.engines.dia.dac_import import dac_class
from pipeline.engines.dia.delay import Codes
from pipeline.errors import EngineError, Problem

SAMPLE_RATE_HZ = 44_100
HOP = 512  # samples of a frame
CODEBOOKS = 9
CODEBOOK_SIZE = 1024
OVERLAP = 10  # frames: a sample depends on 9.3 frames before it and 9.3 after it
WINDOW = 172  # frames, 2 s

_RATES = [2, 4, 8, 8]  # of the encoder's four blocks; the decoder's are the same backwards, and their product is HOP
_WIDEST = 1 << 14
_FUSED = "decoder.model.0.weight"
_NEXT = "Use the weights of DAC 44.1 kHz 8 kbps, or fetch them again: podcast weights fetch descript/dac_44khz"


class Codec:
    """Nine codebooks of 1,024 entries, 86.13 frames a second.

    The same codes give the same samples, bit for bit, on the same machine: nothing is chosen by timing, and every take
    is decoded alone.
    """

    sample_rate_hz = SAMPLE_RATE_HZ
    hop = HOP
    codebooks = CODEBOOKS

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
    file = _weights_file(path)
    weights = _read_transformers(file) if file.suffix == ".safetensors" else _read_package(file)
    network = _empty_network(weights.sizes)
    if weights.spell(_FUSED) in weights.tensors:
        _fuse_weight_norm(network)
    # The file is mapped, not read, so these copies are the only ones; unlike it they can't change under a running job.
    state = {name: tensor.to(torch.float32, copy=True) for name, tensor in _matched(weights, network.state_dict())}
    network.load_state_dict(state, assign=True)
    del state  # the halves of fused weights are let go one by one
    _fuse_weight_norm(network)
    _replace_layers(network)
    network.eval().requires_grad_(False)
    network.decoder.to(dtype)
    try:
        chosen = torch.device(device)
        network.to(chosen)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise EngineError(Problem(f"codec device {device}", f"cannot be used: {error}.", 'Use "cpu".')) from error
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


@dataclass(frozen=True)
class _Weights:
    """What a file holds: tensors under their names there, and the arguments of `dac.DAC` they were made with."""

    file: Path
    tensors: Mapping[str, Tensor]
    sizes: Mapping[str, Any]
    spell: Callable[[str], str]  # the package's name of a tensor -> its name in this file


def _weights_file(path: Path) -> Path:
    """The file to read. Raises `EngineError` where there is none, or more than one."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise EngineError(Problem(str(path), "there is no such file or folder.", _NEXT))
    if (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    found = sorted(path.glob("*.pth"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise EngineError(Problem(str(path), f"holds several files of weights: {names}.", "Name one of them."))
    if not found:
        raise EngineError(Problem(str(path), "holds neither model.safetensors nor a .pth file.", _NEXT))
    return found[0]


def _read_package(file: Path) -> _Weights:
    """Weights as `dac.DAC.save(package=False)` writes them."""
    try:
        content = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise EngineError(Problem(str(file), "holds more than tensors, and is refused for safety.", _NEXT)) from error
    except OSError as error:
        raise EngineError(Problem(str(file), f"cannot be read: {error.strerror or error}.", _NEXT)) from error
    except (EOFError, RuntimeError, ValueError) as error:
        raise EngineError(Problem(str(file), "is damaged, or no file of weights.", _NEXT)) from error
    parts = content if isinstance(content, dict) else {}
    tensors, metadata = parts.get("state_dict"), parts.get("metadata")
    given = metadata.get("kwargs") if isinstance(metadata, dict) else None
    if not isinstance(tensors, dict) or not isinstance(given, dict):
        what = 'holds no "state_dict" and "metadata" as descript-audio-codec writes them.'
        raise EngineError(Problem(str(file), what, _NEXT))
    newer = any(".parametrizations." in str(name) for name in tensors)
    sizes = _sizes(given, {name: name for name in _SIZES}, str(file))
    return _Weights(file, tensors, sizes, _parametrized_name if newer else str)


def _read_transformers(file: Path) -> _Weights:
    """Weights as `transformers.DacModel.save_pretrained` writes them."""
    where = file.with_name("config.json")
    try:
        config = json.loads(where.read_bytes())
    except OSError as error:
        raise EngineError(Problem(str(where), f"cannot be read: {error.strerror or error}.", _NEXT)) from error
    except (ValueError, RecursionError) as error:
        raise EngineError(Problem(str(where), "is no JSON.", _NEXT)) from error
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if model_type != "dac":
        raise EngineError(Problem(str(where), f'has "model_type": {json.dumps(model_type)}, not "dac".', _NEXT))
    sizes = _sizes(config, _SIZES, str(where))
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise EngineError(Problem(str(file), f"cannot be read: {error}.", _NEXT)) from error
    return _Weights(file, tensors, sizes, _transformers_name)


_SIZES = {  # argument of `dac.DAC`, and its key in the package's files: key in transformers' config.json
    "encoder_dim": "encoder_hidden_size",
    "encoder_rates": "downsampling_ratios",
    "latent_dim": "hidden_size",
    "decoder_dim": "decoder_hidden_size",
    "decoder_rates": "upsampling_ratios",
    "n_codebooks": "n_codebooks",
    "codebook_size": "codebook_size",
    "codebook_dim": "codebook_dim",
    "sample_rate": "sampling_rate",
}


def _sizes(given: Mapping[str, Any], keys: Mapping[str, str], where: str) -> dict[str, Any]:
    """Arguments of `dac.DAC`, read from `given` under `keys`.

    Widths are free. Raises `EngineError` with a problem for each that is not a width, and for each value that makes
    another codec than Dia's.
    """
    sizes = {name: given.get(key) for name, key in keys.items()}
    sizes["decoder_rates"] = sizes["decoder_rates"] or _RATES[::-1]  # transformers derives the two
    if sizes["latent_dim"] is None:
        del sizes["latent_dim"]
    dia = {
        "sample_rate": SAMPLE_RATE_HZ,
        "n_codebooks": CODEBOOKS,
        "codebook_size": CODEBOOK_SIZE,
        "encoder_rates": _RATES,
        "decoder_rates": _RATES[::-1],
    }
    problems = []
    for name, value in sizes.items():
        if name in dia:
            wanted = json.dumps(dia[name])
            right = (list(value) if isinstance(value, tuple) else value) == dia[name]
        else:
            least = 2 ** len(_RATES) if name == "decoder_dim" else 1  # each block of the decoder halves it
            wanted = f"a whole number from {least} to {_WIDEST}"
            right = type(value) is int and least <= value <= _WIDEST
        if not right:
            problems.append(Problem(where, f"{keys[name]} is {value!r}, and Dia's codec has {wanted}.", _NEXT))
    if problems:
        raise EngineError(*problems)
    return sizes


def _parametrized_name(name: str) -> str:
    """The package's name as torch's newer weight norm spells it."""
    return name.replace("weight_g", "parametrizations.weight.original0").replace(
        "weight_v", "parametrizations.weight.original1"
    )


_RESIDUAL_UNIT = ("snake1", "conv1", "snake2", "conv2")


def _transformers_name(name: str) -> str:
    """The package's name of a tensor in transformers' spelling.

    The package numbers its layers: `encoder.block.1.block.0.block.3.bias` is `encoder.block.0.res_unit1.conv2.bias`.
    """
    half, *middle, leaf = name.split(".")
    if half == "quantizer":
        return name
    block, *inner = (int(word) for word in middle if word.isdigit())
    outside = {0: "conv1", 5: "snake1", 6: "conv2"}
    if block in outside:
        return f"{half}.{outside[block]}.{leaf}"
    layer, *unit = inner
    if unit:
        place = f"res_unit{layer + 1 if half == 'encoder' else layer - 1}.{_RESIDUAL_UNIT[unit[0]]}"
    else:
        place = {"encoder": {3: "snake1", 4: "conv1"}, "decoder": {0: "snake1", 1: "conv_t1"}}[half][layer]
    return f"{half}.block.{block - 1}.{place}.{leaf}"


def _matched(weights: _Weights, wanted: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """The file's tensors under the package's names. Raises `EngineError` for what is missing or of another shape."""
    there: list[tuple[str, Tensor]] = []
    missing, wrong = [], []
    for name, empty in wanted.items():
        spelled = weights.spell(name)
        tensor = weights.tensors.get(spelled)
        if not isinstance(tensor, Tensor):
            missing.append(spelled)
        elif tensor.shape != empty.shape or not tensor.is_floating_point():
            found, expected = list(tensor.shape), list(empty.shape)
            wrong.append(f"{spelled} is {tensor.dtype} {found} and should be floats {expected}")
        else:
            there.append((name, tensor))
    problems = [
        Problem(str(weights.file), f"{what} {few[0]}{f' (and {len(few) - 1} more)' if few[1:] else ''}.", _NEXT)
        for what, few in (("has no tensor", missing), ("tensor", wrong))
        if few
    ]
    if problems:
        raise EngineError(*problems)
    return there


def _empty_network(sizes: Mapping[str, Any]) -> Any:
    """A `dac.DAC` without memory for its weights."""
    make = dac_class()
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the package's weight norm is torch's older one
        return make(**sizes)


def _fuse_weight_norm(network: nn.Module) -> None:
    """Replace every pair of weight norm by the weight it stands for, g * v / |v|."""
    for layer in network.modules():
        if hasattr(layer, "weight_g"):
            nn.utils.remove_weight_norm(layer)


class _Snake(nn.Module):
    """x + sin²(αx) / α. The package's is compiled by torch.jit, which may change the last bits after some calls."""

    def __init__(self, snake: Any) -> None:
        super().__init__()
        self.alpha: nn.Parameter = snake.alpha  # [1, channels, 1]

    def forward(self, x: Tensor) -> Tensor:
        wave = (self.alpha * x).sin_().square_()
        return wave.mul_((self.alpha + 1e-9).reciprocal()).add_(x)


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


def _replace_layers(network: nn.Module) -> None:
    """Swap the layers this module computes in its own way; names and weights stay."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer).__name__ == "Snake1d":
                setattr(parent, name, _Snake(layer))
            elif isinstance(layer, nn.Conv1d) and layer.kernel_size == (1,):
                setattr(parent, name, _Pointwise(layer))
