"""From logits to codes: guidance, the rules for EOS, and a draw that depends on the take alone.

Follows transformers' processors for Dia: guidance chooses the candidates, their probabilities are the conditional ones.
The older network ("v1") draws from the guided logits themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How codes are drawn. `cfg_scale` 0 leaves guidance out.

    `temperature` is that of takes without one of their own; 0 takes the likeliest.
    """

    cfg_scale: float = 3.0
    temperature: float = 1.2
    top_p: float = 0.95
    top_k: int = 45
    from_guided: bool = False  # v1

    def temperature_of(self, take: float | None) -> float:
        """The temperature of a take that asks for `take`."""
        return self.temperature if take is None else take


_V1_EOS_FACTOR = 0.8


def uniforms(seed: int, steps: int, codebooks: int) -> NDArray[np.float32]:
    """All the randomness of a take: one number in [0, 1) for each step and codebook, from a counter-based generator."""
    return np.random.Generator(np.random.Philox(key=seed)).random((steps, codebooks), np.float32)


def sample(
    cond: Tensor, uncond: Tensor | None, sampling: Sampling, eos: int, uniform: Tensor, temperature: Tensor
) -> Tensor:
    """Tokens `[B, C]` drawn with `uniform` `[B, C]` from `cond` and `uncond` `[B, C, V]`, all float32.

    `temperature` `[B]` is each row's own: no step looks at it, so that one CUDA graph serves all temperatures.

    With guidance only its candidates can be drawn, so only they are looked at: the result is that of `candidates` and
    `draw`, which look at all.
    """
    vocabulary = cond.shape[-1]
    # With no more candidates than there are special tokens, they may all be forbidden.
    if uncond is None or sampling.from_guided or sampling.top_k <= vocabulary - eos:
        return draw(candidates(cond, uncond, sampling, eos), sampling, uniform, temperature)
    chosen = (cond + sampling.cfg_scale * (cond - uncond)).topk(sampling.top_k, dim=-1, sorted=False).indices
    chosen = chosen.sort(dim=-1).values  # equal scores stay in the order of their ids
    scores = cond.gather(-1, chosen)
    is_eos = chosen == eos
    forbidden = chosen > eos
    forbidden[:, 1:] |= is_eos[:, 1:]
    scores = scores.masked_fill(forbidden, -math.inf)
    first = scores[:, 0]
    ends = is_eos[:, 0].gather(-1, first.argmax(-1, keepdim=True))
    scores[:, 0] = first.masked_fill(is_eos[:, 0] != ends, -math.inf)
    values, order = scores.sort(dim=-1, descending=True, stable=True)
    ids = chosen.gather(-1, order)
    drawn = _drawn(ids, _likely(values, sampling, temperature), uniform)
    return torch.where(temperature[:, None] == 0, ids[..., 0], drawn)


def candidates(cond: Tensor, uncond: Tensor | None, sampling: Sampling, eos: int) -> Tensor:
    """The logits to draw from, everything that may not be drawn at minus infinity.

    `cond` and `uncond` are `[B, C, V]` in float32; without `uncond` there is no guidance.
    """
    guided = cond if uncond is None else cond + sampling.cfg_scale * (cond - uncond)
    if sampling.from_guided:
        scores = _without_special(guided, eos)
        scores[:, 0, eos] *= _V1_EOS_FACTOR
        return scores
    scores = allowed = _without_special(cond, eos)
    if uncond is not None:
        chosen = torch.zeros_like(cond, dtype=torch.bool)
        chosen.scatter_(-1, guided.topk(sampling.top_k, dim=-1).indices, value=True)
        scores = scores.masked_fill(~chosen, -math.inf)
        # Guidance with few candidates may choose nothing but what is forbidden.
        scores = torch.where((scores == -math.inf).all(-1, keepdim=True), allowed, scores)
    return _eos_rule(scores, eos)


def probabilities(scores: Tensor, sampling: Sampling, temperature: Tensor) -> tuple[Tensor, Tensor]:
    """Token ids `[B, C, K]`, likeliest first, and their probabilities after `temperature` `[B]`, top-k and top-p.

    At temperature 0 they are no numbers.
    """
    values, ids = scores.topk(sampling.top_k, dim=-1)
    return ids, _likely(values, sampling, temperature)


def _likely(values: Tensor, sampling: Sampling, temperature: Tensor) -> Tensor:
    """Probabilities of scores in descending order, after temperature and top-p."""
    each = temperature[:, None, None]
    # As torch divides by a Python number, on CUDA and elsewhere: the bits are those of one temperature for all rows.
    likely = (values * each.reciprocal() if values.is_cuda else values / each).softmax(-1)
    if sampling.top_p >= 1:
        return likely
    before = likely.cumsum(-1) - likely
    kept = likely.masked_fill(before >= sampling.top_p, 0.0)
    kept[..., 0] = likely[..., 0]
    return kept / kept.sum(-1, keepdim=True)


def draw(scores: Tensor, sampling: Sampling, uniform: Tensor, temperature: Tensor) -> Tensor:
    """Tokens `[B, C]`: in each codebook the one in which `uniform` `[B, C]` falls on the cumulative distribution.

    Where `temperature` `[B]` is 0, the likeliest.
    """
    drawn = _drawn(*probabilities(scores, sampling, temperature), uniform)
    return torch.where(temperature[:, None] == 0, scores.argmax(-1), drawn)


def _drawn(ids: Tensor, likely: Tensor, uniform: Tensor) -> Tensor:
    """The one of `ids` `[B, C, K]` that `uniform` `[B, C]` falls on."""
    reached = likely.cumsum(-1)
    index = (reached <= uniform[..., None] * reached[..., -1:]).sum(-1, keepdim=True)
    return ids.gather(-1, index.clamp(max=ids.shape[-1] - 1)).squeeze(-1)


def _without_special(scores: Tensor, eos: int) -> Tensor:
    """EOS only in the first codebook, what lies above it (PAD, BOS) nowhere."""
    scores = scores.clone()
    scores[..., eos + 1 :] = -math.inf
    scores[:, 1:, eos] = -math.inf
    return scores


def _eos_rule(scores: Tensor, eos: int) -> Tensor:
    """In the first codebook EOS is certain where it is the likeliest, and impossible elsewhere."""
    first = scores[:, 0]
    ends = first.argmax(-1, keepdim=True) == eos  # [B, 1]
    is_eos = torch.arange(scores.shape[-1], device=scores.device) == eos  # [V]
    rest = scores[:, 1:]
    return torch.cat([first.masked_fill(is_eos != ends, -math.inf)[:, None], rest], dim=1)
