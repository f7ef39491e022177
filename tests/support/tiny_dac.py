"""Weights of a tiny audio codec from a seed, in both formats the engine reads: a module for tests, and a script.

    python -m tests.support.tiny_dac FOLDER --format package|transformers [--seed N]

It is DAC with its real rates, hop, codebooks and depth, and few channels: about 150,000 parameters. Random codes decode
to noise at about -17 dB RMS. Layers, names and arithmetic are written down here once more, without the package under
test, descript-audio-codec or transformers, so that each can be checked against this.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]

RATES = (2, 4, 8, 8)
DILATIONS = (1, 3, 9)
CODEBOOKS, ENTRIES, ENTRY_DIM = 9, 1024, 8
RMS = 0.14


@dataclass(frozen=True)
class Weights:
    """The same weights twice: as the package names them, with weight norm, and as transformers does, fused."""

    encoder_dim: int
    decoder_dim: int
    package: State
    transformers: State


@dataclass(frozen=True)
class _Layer:
    """`kind`: "conv" `[out, in, width]`, "up" `[in, out, width]` (transposed), "snake" `[channels]` or "table"."""

    package: str
    transformers: str
    kind: str
    shape: tuple[int, ...]


def make(seed: int = 0, encoder_dim: int = 4, decoder_dim: int = 32) -> Weights:
    """Random weights, the same for the same seed. The real codec's dims are 64 and 1536."""
    numbers = torch.Generator().manual_seed(seed)
    weights = Weights(encoder_dim, decoder_dim, {}, {})
    for layer in _layers(encoder_dim, decoder_dim):
        if layer.kind == "snake":
            alpha = torch.empty(1, layer.shape[0], 1).uniform_(0.5, 1.5, generator=numbers)
            weights.package[f"{layer.package}.alpha"] = weights.transformers[f"{layer.transformers}.alpha"] = alpha
        elif layer.kind == "table":
            table = torch.randn(layer.shape, generator=numbers)
            weights.package[f"{layer.package}.weight"] = weights.transformers[f"{layer.transformers}.weight"] = table
        else:
            _add_convolution(weights, layer, numbers)
    _level(weights, numbers)
    return weights


def decode(state: State, codes: Tensor) -> Tensor:
    """Sound `[T * 512]` of codes `[T, C]`, by transformers' names: DAC's arithmetic in its plainest form."""
    return torch.tanh(_before_tanh(state, codes))


def write_package(path: Path, seed: int = 0, *, parametrizations: bool = False) -> Path:
    """Write the file `path` as descript-audio-codec does; `parametrizations` is torch's newer spelling."""
    weights = make(seed)
    names = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    state = {
        ".".join([*name.split(".")[:-1], names.get(leaf, leaf) if parametrizations else leaf]): tensor
        for name, tensor in weights.package.items()
        for leaf in [name.split(".")[-1]]
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": state, "metadata": {"kwargs": kwargs(weights)}}, path)
    return path


def write_transformers(folder: Path, seed: int = 0) -> Path:
    """Write config.json and model.safetensors into `folder` as transformers does."""
    weights = make(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(weights), indent=2), encoding="utf-8")
    save_file(weights.transformers, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def kwargs(weights: Weights) -> dict[str, object]:
    """What the package's file says of the network."""
    return {
        "encoder_dim": weights.encoder_dim,
        "encoder_rates": list(RATES),
        "latent_dim": None,
        "decoder_dim": weights.decoder_dim,
        "decoder_rates": list(RATES[::-1]),
        "n_codebooks": CODEBOOKS,
        "codebook_size": ENTRIES,
        "codebook_dim": ENTRY_DIM,
        "quantizer_dropout": 0.5,
        "sample_rate": 44_100,
    }


def config(weights: Weights) -> dict[str, object]:
    """What transformers' config.json says of it."""
    return {
        "architectures": ["DacModel"],
        "model_type": "dac",
        "encoder_hidden_size": weights.encoder_dim,
        "downsampling_ratios": list(RATES),
        "decoder_hidden_size": weights.decoder_dim,
        "upsampling_ratios": list(RATES[::-1]),
        "hidden_size": weights.encoder_dim * 16,
        "hop_length": 512,
        "n_codebooks": CODEBOOKS,
        "codebook_size": ENTRIES,
        "codebook_dim": ENTRY_DIM,
        "quantizer_dropout": 0.0,
        "sampling_rate": 44_100,
    }


def _layers(encoder_dim: int, decoder_dim: int) -> Iterator[_Layer]:
    latent = encoder_dim * 16
    yield _Layer("encoder.block.0", "encoder.conv1", "conv", (encoder_dim, 1, 7))
    for block, rate in enumerate(RATES):
        width = encoder_dim << block
        package, other = f"encoder.block.{block + 1}.block", f"encoder.block.{block}"
        for unit in range(3):
            yield from _residual_unit(f"{package}.{unit}.block", f"{other}.res_unit{unit + 1}", width)
        yield _Layer(f"{package}.3", f"{other}.snake1", "snake", (width,))
        yield _Layer(f"{package}.4", f"{other}.conv1", "conv", (2 * width, width, 2 * rate))
    yield _Layer("encoder.block.5", "encoder.snake1", "snake", (latent,))
    yield _Layer("encoder.block.6", "encoder.conv2", "conv", (latent, latent, 3))
    for name in (f"quantizer.quantizers.{index}" for index in range(CODEBOOKS)):
        yield _Layer(f"{name}.in_proj", f"{name}.in_proj", "conv", (ENTRY_DIM, latent, 1))
        yield _Layer(f"{name}.out_proj", f"{name}.out_proj", "conv", (latent, ENTRY_DIM, 1))
        yield _Layer(f"{name}.codebook", f"{name}.codebook", "table", (ENTRIES, ENTRY_DIM))
    yield _Layer("decoder.model.0", "decoder.conv1", "conv", (decoder_dim, latent, 7))
    for block, rate in enumerate(RATES[::-1]):
        width = decoder_dim >> block
        package, other = f"decoder.model.{block + 1}.block", f"decoder.block.{block}"
        yield _Layer(f"{package}.0", f"{other}.snake1", "snake", (width,))
        yield _Layer(f"{package}.1", f"{other}.conv_t1", "up", (width, width // 2, 2 * rate))
        for unit in range(3):
            yield from _residual_unit(f"{package}.{unit + 2}.block", f"{other}.res_unit{unit + 1}", width // 2)
    yield _Layer("decoder.model.5", "decoder.snake1", "snake", (decoder_dim // 16,))
    yield _Layer("decoder.model.6", "decoder.conv2", "conv", (1, decoder_dim // 16, 7))


def _residual_unit(package: str, other: str, width: int) -> Iterator[_Layer]:
    yield _Layer(f"{package}.0", f"{other}.snake1", "snake", (width,))
    yield _Layer(f"{package}.1", f"{other}.conv1", "conv", (width, width, 7))
    yield _Layer(f"{package}.2", f"{other}.snake2", "snake", (width,))
    yield _Layer(f"{package}.3", f"{other}.conv2", "conv", (width, width, 1))


def _add_convolution(weights: Weights, layer: _Layer, numbers: torch.Generator) -> None:
    """A weight of about unit gain. Its norms are drawn apart from its directions, so that fusing them matters."""
    first, second, width = layer.shape
    # A sample sums `in * width` products; upsampled, only the two taps that meet its phase.
    products, out = (2 * first, second) if layer.kind == "up" else (second * width, first)
    # Snake adds to the level and residuals pile up, so a unit's last convolution is quiet.
    gain = 0.3 if layer.transformers.endswith("conv2") and "res_unit" in layer.transformers else 0.8
    v = torch.randn(layer.shape, generator=numbers)
    size = torch.empty(first, 1, 1).uniform_(0.8, 1.2, generator=numbers) * gain * products**-0.5
    g = v.flatten(1).norm(dim=1)[:, None, None] * size
    bias = 0.02 * torch.randn(out, generator=numbers)
    name, other = layer.package, layer.transformers
    weights.package.update({f"{name}.weight_g": g, f"{name}.weight_v": v, f"{name}.bias": bias})
    weights.transformers.update({f"{other}.weight": torch._weight_norm(v, g, 0), f"{other}.bias": bias})


def _level(weights: Weights, numbers: torch.Generator) -> None:
    """Scale and shift the last convolution until random codes sound at `RMS`, without an offset."""
    sound = _before_tanh(weights.transformers, torch.randint(0, ENTRIES, (40, CODEBOOKS), generator=numbers))
    scale = RMS / sound.std()
    shift = (weights.package["decoder.model.6.bias"] - sound.mean()) * scale
    weights.package["decoder.model.6.weight_g"] *= scale
    weights.package["decoder.model.6.bias"] = weights.transformers["decoder.conv2.bias"] = shift
    weights.transformers["decoder.conv2.weight"] = torch._weight_norm(
        weights.package["decoder.model.6.weight_v"], weights.package["decoder.model.6.weight_g"], 0
    )


def _before_tanh(state: State, codes: Tensor) -> Tensor:
    def conv(x: Tensor, name: str, dilation: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        padding = (weight.shape[-1] - 1) * dilation // 2
        return functional.conv1d(x, weight, state[f"{name}.bias"], padding=padding, dilation=dilation)

    def snake(x: Tensor, name: str) -> Tensor:
        alpha = state[f"{name}.alpha"]
        return x + torch.sin(alpha * x) ** 2 / (alpha + 1e-9)

    x = torch.zeros(1)
    for index, column in enumerate(codes.T):
        name = f"quantizer.quantizers.{index}"
        x = x + conv(state[f"{name}.codebook.weight"][column].T[None], f"{name}.out_proj")
    x = conv(x, "decoder.conv1")
    for block, rate in enumerate(RATES[::-1]):
        name = f"decoder.block.{block}"
        weight, bias = state[f"{name}.conv_t1.weight"], state[f"{name}.conv_t1.bias"]
        x = functional.conv_transpose1d(snake(x, f"{name}.snake1"), weight, bias, stride=rate, padding=rate // 2)
        for unit, dilation in enumerate(DILATIONS):
            part = f"{name}.res_unit{unit + 1}"
            inner = conv(snake(x, f"{part}.snake1"), f"{part}.conv1", dilation)
            x = x + conv(snake(inner, f"{part}.snake2"), f"{part}.conv2")
    return conv(snake(x, "decoder.snake1"), "decoder.conv2")[0, 0]


def main() -> None:
    """Write the weights that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write weights of a tiny audio codec.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--format", choices=["package", "transformers"], default="transformers")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.format == "package":
        write_package(chosen.folder / "weights.pth", chosen.seed)
    else:
        write_transformers(chosen.folder, chosen.seed)


if __name__ == "__main__":
    main()
