"""Whether int8 may be used with given weights: measured against float32, beside what bf16 loses.

Speed does not depend on the weights, but int8's error does, and no random weights show how large it is. So the network
itself speaks some texts in float32, and is then made to read the same codes in every other precision. What is lost is
lessened by moving scales between weights (`mend.py`), products that lose too much stay bf16, and the folder that is
written says how it came out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.engines.dia import kernels
from pipeline.engines.dia.batching.delay import Codes, delayed
from pipeline.engines.dia.batching.sampling import Sampling, candidates, probabilities
from pipeline.engines.dia.batching.scheduler import GenerationRequest, Scheduler
from pipeline.engines.dia.batching.slots import EagerStepper
from pipeline.engines.dia.batching.text import tokens
from pipeline.engines.dia.calibration.mend import Inputs, Mend, choose_mends, mended
from pipeline.engines.dia.calibration.texts import FOR_ERRORS, FOR_SCALES
from pipeline.engines.dia.devices import cpu_features
from pipeline.engines.dia.loader import attention, product
from pipeline.engines.dia.network.attention import Text
from pipeline.engines.dia.network.linear import Linear
from pipeline.engines.dia.network.model import Model, Product
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import DiaConfig, read_config
from pipeline.engines.dia.weights.fingerprint import packed_metadata
from pipeline.engines.dia.weights.packed import State
from pipeline.engines.dia.weights.tensors import read_weights
from pipeline.errors import EngineError, Problem

VERSION = 1  # of the procedure: raised where another verdict may come out

# int8 has about a quarter of bf16's resolution, and networks without outliers lose 2.5 to 5 times as much by it.
FACTOR = 6.0
# Where bf16 is far off as well, a multiple of it says nothing: 0.1 is 20 dB below the logits, and a code in seven.
MOST_ERROR = 0.1
# Nats: as much as the temperature does when it is raised by a tenth. Less is allowed whatever bf16 loses.
NEGLIGIBLE = 0.02
# With more of the weights in bf16 a step reads nearly as much as in bf16.
MOST_KEPT = 1 / 3
_MIXED = 0.01  # of the right distribution into another: what cannot be drawn from that one would diverge infinitely

OnStage = Callable[[str], None]


@dataclass(frozen=True)
class Utterance:
    """A text `[T]`, rows `[R, C]` of codes that were drawn for it, and in which codebooks the next row is drawn."""

    text: Tensor
    rows: Tensor
    drawn: Tensor  # bool `[R, C]`


@dataclass(frozen=True)
class Outputs:
    """What a network gives for the rows of one utterance, at the N places where codes are drawn."""

    scores: Tensor  # `[N, V]`: the guided logits of codes, less their mean, because a common shift changes nothing
    likely: Tensor  # `[N, V]`: probabilities after guidance, candidates, temperature and top-p


@dataclass(frozen=True)
class Loss:
    """How far a network is from what it is in float32.

    `error` is that of the guided logits, relative to how much these differ among themselves; `agreement` the share of
    places where the likeliest code is the same; `divergence`, in nats, that of what is drawn from.
    """

    error: float
    agreement: float
    divergence: float


@dataclass(frozen=True)
class _Reference:
    """Utterances, and what the network gives for them in float32."""

    utterances: Sequence[Utterance]
    exact: Sequence[Outputs]

    def loss(self, model: Model) -> Loss:
        """How far `model` is from it."""
        return compare([follow(model, utterance) for utterance in self.utterances], self.exact)


class _Watch:
    """Tells what the products of a model read to their `Inputs`, by the method `note`."""

    def __init__(self) -> None:
        self.note: Callable[[Inputs, Tensor], None] | None = None
        self.inputs: dict[str, Inputs] = {}

    def product(self, named: tuple[str, Tensor]) -> Product:
        """The product of a weight with its name."""
        name, weight = named
        linear = Linear(weight)

        def watched(x: Tensor) -> Tensor:
            if self.note is not None:
                self.note(self.inputs.setdefault(name, Inputs()), x)
            return linear(x)

        return watched


@dataclass(frozen=True)
class _BothPrecisions:
    """The same weights twice; `mends` are in both of them."""

    config: DiaConfig
    bf16: State
    int8: State
    mends: Sequence[Mend] = ()

    def chosen(self, kept: Collection[str]) -> State:
        """All in int8 but for the products `kept`, by their names."""
        return {name: self.bf16[name] if name in kept else weight for name, weight in self.int8.items()}

    def model(self, kept: Collection[str], tier: str | None = None) -> Model:
        """The network with these weights, its KV cache in int8 as well where there is a `tier` of kernels."""
        kv_attention = attention(self.config, "int8", tier)
        return Model(self.config, self.chosen(kept), partial(product, tier=tier), kv_attention)

    def products(self, *kinds: str) -> list[str]:
        """The names of the products, those of `kinds` if any are given."""
        return [name for name in self.int8 if packed.kind(name) in (kinds or packed.KINDS)]

    def share(self, kept: Iterable[str]) -> float:
        """Of the numbers of all products that may be int8, the part that is in the products `kept`."""
        head = self.products(*packed.KEPT)
        return self._size(set(kept) - set(head)) / self._size(set(self.products()) - set(head))

    def _size(self, names: Iterable[str]) -> int:
        return sum(self.bf16[name].numel() for name in names)


@dataclass(frozen=True)
class Verdict:
    """What is written: which products stay bf16, and what the rest loses in int8."""

    allowed: bool
    loss: Loss
    kept: Sequence[str]


def calibrate(source: Path, out: Path, on_stage: OnStage, frames: int, most: str | None = None) -> dict[str, Any]:
    """Measure int8 with the weights in `source`, write it to the new folder `out`, return the report that is in it.

    `frames` of each text are spoken; `on_stage` gets the name of each stage as it begins; `most` is the quickest tier
    of kernels that attention may use. Raises `EngineError` where `source` cannot be read, holds int8 already or makes
    no finite numbers, and where `out` exists or cannot be written.
    """
    if out.exists():
        raise EngineError(Problem(str(out), "exists already.", "Name a folder that does not exist."))
    config, tier = read_config(source), kernels.tier(cpu_features(), most)
    if packed_metadata(source) is not None:
        hint = "Name the weights they were made of: what was rounded away is not here."
        raise EngineError(Problem(str(source), "holds int8 weights.", hint))

    def tensors() -> Iterator[tuple[str, Tensor]]:
        return packed.merged(read_weights(source, config, torch.float32, "cpu"))

    reference, inputs = _reference(config, tensors(), frames, str(source), on_stage)
    on_stage("bf16, and int8 as it comes")
    plain = _weights(config, tensors(), ())
    head = plain.products(*packed.KEPT)
    bf16, unmended = reference.loss(plain.model(plain.products())), reference.loss(plain.model(head, tier))
    del plain  # there is room for one pair
    on_stage("choosing scales")
    mends = list(choose_mends(config, tensors(), inputs))
    on_stage("int8 with these scales")
    weights = _weights(config, tensors(), mends)
    loss = reference.loss(weights.model(head, tier))
    kinds = {}
    for kind in packed.KINDS:
        on_stage(f"int8 in {kind} alone")
        kinds[kind] = reference.loss(weights.model(set(weights.products()) - set(weights.products(kind))))
    attention_alone = reference.loss(weights.model(weights.products(), tier)) if tier else None
    verdict = Verdict(allowed(loss, bf16), loss, head)
    if not verdict.allowed:
        on_stage("products that stay bf16")
        order = _worst_first(weights, kinds, bf16)
        verdict = _keep(head, order, lambda kept: reference.loss(weights.model(kept, tier)), bf16)
    report = {
        "version": VERSION,
        "allowed": verdict.allowed,
        "limits": {"factor": FACTOR, "error": MOST_ERROR, "negligible": NEGLIGIBLE, "kept": MOST_KEPT},
        "texts": len(reference.utterances),
        "frames": frames,
        "bf16": asdict(bf16),
        "unmended": asdict(unmended),
        "mended": asdict(loss),
        "int8": asdict(verdict.loss),
        "kinds": {kind: asdict(kinds[kind]) | _described(kind, weights, inputs, verdict) for kind in packed.KINDS},
        "attention": asdict(attention_alone) if attention_alone else None,
        "mends": {mend.seam.maker: mend.way for mend in mends if mend.way != "none"},
        "kept": sorted(verdict.kept),
        "kept_share": weights.share(verdict.kept),
    }
    on_stage(f"writing {out}")
    packed.save(out, weights.chosen(verdict.kept), source, {"calibration": report})
    return report


def allowed(loss: Loss, bf16: Loss) -> bool:
    """Whether int8 that loses `loss` may be used where nothing is asked for, and bf16 loses `bf16`."""
    return loss.error <= min(FACTOR * bf16.error, MOST_ERROR) and loss.divergence <= max(
        FACTOR * bf16.divergence, NEGLIGIBLE
    )


def usual_sampling(config: DiaConfig) -> Sampling:
    """What is asked of a network where nothing else is said."""
    return Sampling(temperature=1.3, top_k=35, from_guided=True) if config.network == "v1" else Sampling()


def _reference(
    config: DiaConfig, tensors: Iterable[tuple[str, Tensor]], frames: int, where: str, on_stage: OnStage
) -> tuple[_Reference, dict[str, Inputs]]:
    """Let the network speak in float32: what others are compared with, and the inputs of its products."""
    on_stage("reading the weights")
    watch = _Watch()
    model = Model(config, {name: (name, it) if packed.kind(name) else it for name, it in tensors}, watch.product)
    on_stage("speaking in float32")
    utterances = speak(model, FOR_SCALES + FOR_ERRORS, frames, where)
    on_stage("following in float32")
    for number, utterance in enumerate(utterances[: len(FOR_SCALES)]):
        watch.note = Inputs.measure if number % 2 else Inputs.keep
        follow(model, utterance)
    watch.note = None
    for_errors = utterances[len(FOR_SCALES) :]
    return _Reference(for_errors, [follow(model, utterance) for utterance in for_errors]), watch.inputs


def speak(model: Model, texts: Sequence[str], frames: int, where: str) -> list[Utterance]:
    """Let `model`, whose weights are in `where`, speak `texts`, up to so many frames of each.

    Raises `EngineError` where it makes no finite numbers.
    """
    config = model.config
    frames = min(frames, config.decoder.max_positions - max(config.delays) - 2)
    nothing = np.zeros((0, config.decoder.channels), np.int16)
    wanted = [
        GenerationRequest(text, tokens(text)[: config.encoder.max_positions], nothing, seed, frames)
        for seed, text in enumerate(texts)
    ]
    scheduler = Scheduler(EagerStepper(model, usual_sampling(config)), len(wanted))
    takes = {take.key: take for take in scheduler.generate(wanted)}
    reasons = {take.reason for take in takes.values() if take.reason}
    if reasons:
        raise EngineError(Problem(where, f"cannot speak in fp32: {reasons.pop()}", "Fetch the weights again."))
    return [_utterance(config, request.text, takes[request.key].codes) for request in wanted]


def _utterance(config: DiaConfig, text: NDArray[np.int64], codes: Codes) -> Utterance:
    """Without the rows after the last frame, in which codebooks end one by one."""
    rows = delayed(codes, config.delays, config.bos, len(codes) + 1)
    following = np.arange(1, len(rows) + 1)[:, None]
    drawn = following > np.asarray(config.delays)
    return Utterance(torch.from_numpy(text), torch.from_numpy(rows), torch.from_numpy(drawn))


@torch.inference_mode()
def follow(model: Model, utterance: Utterance) -> Outputs:
    """What `model` gives for the rows of `utterance`, read all at once. A logit that is no number counts as 0."""

    def logits(text: Text | None) -> Tensor:
        hidden = model.step([model.lane(text, len(utterance.rows))], utterance.rows[None])[0]
        return model.logits(hidden).nan_to_num(0, 0, 0)

    sampling, eos = usual_sampling(model.config), model.config.eos
    cond, uncond = logits(model.prefill_text(utterance.text)), logits(None)
    guided = (cond + sampling.cfg_scale * (cond - uncond))[utterance.drawn][:, :eos]
    temperature = torch.full((len(cond),), sampling.temperature, device=cond.device)
    ids, likely = probabilities(candidates(cond, uncond, sampling, eos), sampling, temperature)
    spread = torch.zeros_like(cond).scatter(-1, ids, likely)[utterance.drawn]
    return Outputs(guided - guided.mean(-1, keepdim=True), spread)


def compare(rounded: Sequence[Outputs], exact: Sequence[Outputs]) -> Loss:
    """How far `rounded` is from `exact`, over all places alike."""
    pairs = list(zip(rounded, exact, strict=True))
    missed = sum(float((off.scores - right.scores).square().sum()) for off, right in pairs)
    size = sum(float(right.scores.square().sum()) for right in exact)
    agreed = torch.cat([off.scores.argmax(-1) == right.scores.argmax(-1) for off, right in pairs])
    diverged = torch.cat([_divergence(right.likely, off.likely) for off, right in pairs])
    error = math.sqrt(missed / size) if size else float(missed > 0)
    return Loss(error, float(agreed.float().mean()), float(diverged.mean()))


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler's, from `p` to a mixture of `q` with a little of `p`: `[N]` for distributions `[N, V]`."""
    mixed = _MIXED * p + (1 - _MIXED) * q
    diverged: Tensor = torch.special.xlogy(p, p) - torch.special.xlogy(p, mixed)
    return diverged.sum(-1)


def _weights(config: DiaConfig, tensors: Iterable[tuple[str, Tensor]], mends: Sequence[Mend]) -> _BothPrecisions:
    bf16: State = {}

    def noted() -> Iterator[tuple[str, Tensor]]:
        for name, tensor in mended(tensors, mends):
            bf16[name] = packed.as_bf16(name, tensor)
            yield name, tensor

    return _BothPrecisions(config, bf16, packed.quantize(noted(), ()), mends)


def _worst_first(weights: _BothPrecisions, kinds: Mapping[str, Loss], bf16: Loss) -> list[str]:
    """The products by what one number of theirs costs, as many as may stay bf16.

    What a kind loses is shared out by its products' own errors.
    """
    own = {name: error for mend in weights.mends for name, error in zip(mend.seam.readers, mend.errors, strict=True)}
    cost: dict[str, float] = {}
    for kind in packed.KINDS:
        names = [name for name in weights.products(kind) if name in own]
        lost = max(kinds[kind].error ** 2 - bf16.error**2, 0.0)
        total = sum(own[name] ** 2 for name in names) or 1.0
        cost |= {name: lost * own[name] ** 2 / total / weights.share([name]) for name in names}
    order: list[str] = []
    for name in sorted(cost, key=lambda name: -cost[name]):
        if weights.share([*order, name]) <= MOST_KEPT:
            order.append(name)
    return order


def _keep(head: Sequence[str], order: Sequence[str], loss_of: Callable[[Sequence[str]], Loss], bf16: Loss) -> Verdict:
    """The fewest of `order`, from its beginning, that must stay bf16; all of them where that does not help."""
    kept = [*head, *order]
    loss = loss_of(kept)
    few, many, verdict = 0, len(order), Verdict(allowed(loss, bf16), loss, kept)
    while verdict.allowed and many - few > 1:
        count = (few + many) // 2
        kept = [*head, *order[:count]]
        loss = loss_of(kept)
        if allowed(loss, bf16):
            many, verdict = count, Verdict(True, loss, kept)
        else:
            few = count
    return verdict


def _described(kind: str, weights: _BothPrecisions, inputs: Mapping[str, Inputs], verdict: Verdict) -> dict[str, Any]:
    """What else the report has of a kind: how its inputs stand out, before and after, and counts of its products."""
    names = weights.products(kind)
    scales = {reader: mend.seam.inputs_of(mend.scale) for mend in weights.mends for reader in mend.seam.readers}
    return {
        "outliers": max(_outliers(inputs[name].largest) for name in names),
        "outliers_left": max(_outliers(inputs[name].largest / scales.get(name, torch.ones(1))) for name in names),
        "products": len(names),
        "mended": sum(bool((scales[name] != 1).any()) for name in names if name in scales),
        "kept": sum(name in verdict.kept for name in names),
    }


def _outliers(largest: Tensor) -> float:
    """How far the channel with the largest magnitude stands out of the others."""
    used = largest[largest > 0]
    return float(used.max() / used.median()) if len(used) else 1.0
