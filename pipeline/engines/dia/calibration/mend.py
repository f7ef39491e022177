"""Scales moved between weights, so that less is lost where they, and what they read, are rounded to int8.

A row of activations has one scale for all its channels, so one channel much larger than the others leaves these no
bits. A seam is a place where channels pass from what makes them to the products that read them, and nothing in between
mixes them: what makes a channel may be divided by a number, and the weights that read it multiplied by it (SmoothQuant,
arXiv 2211.10438, equation 3). The numbers are powers of two: the network then computes the same bits as before in any
float type, and nothing but int8 sees a difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.engines.dia.kernels.packing import Int8Weight
from pipeline.engines.dia.network.linear import Int8Linear
from pipeline.engines.dia.weights.config import DecoderConfig, DiaConfig, EncoderConfig

Tensors = Iterable[tuple[str, Tensor]]  # with their merged names

# SmoothQuant's alpha: 0 evens out the weights' channels, 1 those of the activations.
_STRENGTHS = (0.0, 0.25, 0.5, 0.65, 0.8, 1.0)
_LARGEST_EXPONENT = 12  # of a scale: every float type has room for it
_CLEARLY = 0.9  # of the error without: less may be chance, as small differences on a few rows are
_ROWS = 64  # kept of each reading of a product


@dataclass(frozen=True)
class Seam:
    """Channels, the tensor that makes them and the products that read them, by their merged names."""

    maker: str  # a norm's gains, or a product, whose rows from `first` on make one channel each
    channels: int
    readers: tuple[str, ...]
    first: int = 0
    size: int = 0  # of a head, where `group` heads in a row read the same channels
    group: int = 1

    def inputs_of(self, scale: Tensor) -> Tensor:
        """What has one number for each channel, for each input of the readers."""
        return scale.view(-1, self.size or self.channels).repeat_interleave(self.group, dim=0).flatten()

    def channels_of(self, largest: Tensor) -> Tensor:
        """The largest for each channel of what has one number for each input of the readers."""
        return largest.view(-1, self.group, self.size or self.channels).amax(1).flatten()


class Inputs:
    """What a product has read: the largest magnitude in each channel, and some rows.

    Both should not be of the same texts: scales would fit chance peaks of a channel, and the rows would not show it.
    """

    def __init__(self) -> None:
        self.largest = torch.zeros(())
        self._rows: list[Tensor] = []

    def measure(self, x: Tensor) -> None:
        """Remember how large the channels of `x` `[N, in]` are."""
        self.largest = torch.maximum(self.largest, x.abs().amax(0))

    def keep(self, x: Tensor) -> None:
        """Remember rows of `x` `[N, in]`; the first, whose codes are all BOS, always."""
        self._rows.append(x[:: -(-len(x) // _ROWS)].clone())

    @property
    def rows(self) -> Tensor:
        """`[N, in]`."""
        return torch.cat(self._rows)


@dataclass(frozen=True)
class Mend:
    """What becomes of a seam: `scale` `[channels]` divides what is made. `errors` are relative, one for each reader."""

    seam: Seam
    way: str  # how the scales were found: "none", "folded", or SmoothQuant's alpha
    scale: Tensor
    errors: tuple[float, ...]


def seams(config: DiaConfig) -> list[Seam]:
    """All seams of the network but the one before the head, which is no product in int8."""
    layers = range(config.decoder.layers)
    kv = tuple(f"decoder.layers.{index}.cross_attention.kv.weight" for index in layers)
    all_seams = [Seam("encoder.norm.weight", config.encoder.hidden, kv)]
    norms = {"pre_sa_norm": "self_attention.qkv", "post_sa_norm": "mlp.gate_up_proj"}
    for index in range(config.encoder.layers):
        all_seams += _layer(f"encoder.layers.{index}", config.encoder, norms)
    norms = {
        "pre_sa_norm": "self_attention.qkv",
        "pre_ca_norm": "cross_attention.q_proj",
        "pre_mlp_norm": "mlp.gate_up_proj",
    }
    decoder = config.decoder
    cross = decoder.cross_heads, decoder.cross_kv_heads, decoder.cross_head_dim
    for index in layers:
        all_seams += _layer(f"decoder.layers.{index}", decoder, norms)
        all_seams.append(_values(f"decoder.layers.{index}.cross_attention", "kv", decoder.cross_kv_heads, *cross))
    return all_seams


def _layer(layer: str, sizes: EncoderConfig | DecoderConfig, norms: Mapping[str, str]) -> list[Seam]:
    """The seams in an encoder's or decoder's layer, without cross-attention's."""
    of_layer = [
        Seam(f"{layer}.{norm}.weight", sizes.hidden, (f"{layer}.{reader}.weight",)) for norm, reader in norms.items()
    ]
    before = sizes.heads + sizes.kv_heads
    of_layer.append(_values(f"{layer}.self_attention", "qkv", before, sizes.heads, sizes.kv_heads, sizes.head_dim))
    maker, reader = f"{layer}.mlp.gate_up_proj.weight", f"{layer}.mlp.down_proj.weight"
    return [*of_layer, Seam(maker, sizes.inner, (reader,), first=sizes.inner)]


def _values(name: str, kinds: str, before: int, heads: int, kv_heads: int, size: int) -> Seam:
    """The values of attention, mixed over positions but not over channels; `before` them come so many heads."""
    reader = (f"{name}.o_proj.weight",)
    return Seam(f"{name}.{kinds}.weight", kv_heads * size, reader, before * size, size, heads // kv_heads)


def mended(tensors: Tensors, mends: Sequence[Mend]) -> Iterator[tuple[str, Tensor]]:
    """`tensors` with the scales of `mends` in them."""
    for name, original in tensors:
        tensor = original
        for mend in mends:
            seam = mend.seam
            if name == seam.maker:
                tensor = tensor.clone()
                channels = tensor[seam.first : seam.first + seam.channels]
                channels /= mend.scale.view(-1, *[1] * (tensor.dim() - 1)).to(tensor.dtype)
            if name in seam.readers:
                tensor = tensor * seam.inputs_of(mend.scale).to(tensor.dtype)
        yield name, tensor


def choose_mends(config: DiaConfig, tensors: Tensors, inputs: Mapping[str, Inputs]) -> Iterator[Mend]:
    """For each seam the scales with which the products that read it come nearest to their results in float32.

    `inputs` are those of the products in float32. Weights are held only until the last reader of their seam is there.
    """
    waiting = seams(config)
    held: dict[str, Tensor] = {}
    for name, tensor in tensors:
        held[name] = tensor
        ready = [seam for seam in waiting if seam.maker in held and all(reader in held for reader in seam.readers)]
        waiting = [seam for seam in waiting if seam not in ready]
        for seam in ready:
            yield _best(seam, held, inputs)
        needed = {name for seam in waiting for name in (seam.maker, *seam.readers)}
        held = {name: tensor for name, tensor in held.items() if name in needed}


def _best(seam: Seam, weights: Mapping[str, Tensor], inputs: Mapping[str, Inputs]) -> Mend:
    reads = [(inputs[reader].rows, weights[reader]) for reader in seam.readers]
    exact = [rows @ weight.T for rows, weight in reads]
    best: Mend | None = None
    for way, scale in _ways(seam, weights, inputs):
        scales = seam.inputs_of(scale)
        errors = tuple(
            _error(Int8Linear(Int8Weight.pack(weight * scales), None)(rows / scales), right)
            for (rows, weight), right in zip(reads, exact, strict=True)
        )
        # The first is no change at all.
        if best is None or _size(errors) < _size(best.errors) * (_CLEARLY if best.way == "none" else 1):
            best = Mend(seam, way, scale, errors)
    assert best is not None
    return best


def _size(errors: Sequence[float]) -> float:
    return math.hypot(*errors)


def _error(rounded: Tensor, exact: Tensor) -> float:
    """Relative to its size in each row, and all rows alike: what reads a row sees it normed."""
    size = exact.square().sum(1)
    missed = (rounded - exact).square().sum(1)
    return math.sqrt(float((missed[size > 0] / size[size > 0]).sum()) / len(exact))


def _ways(seam: Seam, weights: Mapping[str, Tensor], inputs: Mapping[str, Inputs]) -> Iterator[tuple[str, Tensor]]:
    yield "none", torch.ones(seam.channels)
    gains = weights[seam.maker]
    if gains.dim() == 1:
        yield "folded", _powers_of_two(gains.abs().log2())
    largest = torch.stack([inputs[reader].largest for reader in seam.readers]).amax(0)
    read = seam.channels_of(largest).log2()
    heaviest = torch.cat([weights[reader].abs().amax(0, keepdim=True) for reader in seam.readers]).amax(0)
    weighed = seam.channels_of(heaviest).log2()
    for strength in _STRENGTHS:
        yield str(strength), _powers_of_two(strength * read - (1 - strength) * weighed)


def _powers_of_two(exponents: Tensor) -> Tensor:
    """Scales of which one half is above 1; 1 where a channel is always 0, or nobody reads it."""
    known = exponents.isfinite()
    centred = exponents - exponents[known].median() if known.any() else exponents
    whole = torch.where(known, centred, 0).round().clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    return torch.exp2(whole)
