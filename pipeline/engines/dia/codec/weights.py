"""Weights of DAC on disk in, descript-audio-codec's network with them out.

Two kinds are read: the package's own file, which holds halves of weights (weight norm), and transformers' folder, which
holds whole weights under other names. Both become the same network, bit for bit. Widths are free, so that tiny codecs
load too; all that Dia relies on is not.
"""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.engines.dia.codec.dac_import import dac_class
from pipeline.errors import EngineError, Problem

SAMPLE_RATE_HZ = 44_100
HOP = 512  # samples of a frame
CODEBOOKS = 9
CODEBOOK_SIZE = 1024

_RATES = [2, 4, 8, 8]  # of the encoder's four blocks; the decoder's are the same backwards, and their product is HOP
_WIDEST = 1 << 14
_FUSED = "decoder.model.0.weight"
_NEXT = "Use the weights of DAC 44.1 kHz 8 kbps, or fetch them again: podcast weights fetch descript/dac_44khz"


def load_network(path: Path) -> Any:
    """The `dac.DAC` whose weights are in `path`, a file or a folder: on the CPU, in float32, weight norm fused.

    Raises `EngineError` for files that are missing, damaged or of another codec.
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
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class _CodecFile:
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
    files = sorted(path.glob("*.pth"))
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise EngineError(Problem(str(path), f"holds several files of weights: {names}.", "Name one of them."))
    if not files:
        raise EngineError(Problem(str(path), "holds neither model.safetensors nor a .pth file.", _NEXT))
    return files[0]


def _read_package(file: Path) -> _CodecFile:
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
    return _CodecFile(file, tensors, sizes, _parametrized_name if newer else str)


def _read_transformers(file: Path) -> _CodecFile:
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
    return _CodecFile(file, tensors, sizes, _transformers_name)


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


def _matched(weights: _CodecFile, wanted: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """The file's tensors under the package's names. Raises `EngineError` for what is missing or of another shape."""
    matched: list[tuple[str, Tensor]] = []
    missing, wrong = [], []
    for name, empty in wanted.items():
        spelled = weights.spell(name)
        tensor = weights.tensors.get(spelled)
        if not isinstance(tensor, Tensor):
            missing.append(spelled)
        elif tensor.shape != empty.shape or not tensor.is_floating_point():
            shape, expected = list(tensor.shape), list(empty.shape)
            wrong.append(f"{spelled} is {tensor.dtype} {shape} and should be floats {expected}")
        else:
            matched.append((name, tensor))
    problems = [
        Problem(str(weights.file), f"{what} {few[0]}{f' (and {len(few) - 1} more)' if few[1:] else ''}.", _NEXT)
        for what, few in (("has no tensor", missing), ("tensor", wrong))
        if few
    ]
    if problems:
        raise EngineError(*problems)
    return matched


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
