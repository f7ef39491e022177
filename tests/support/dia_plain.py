"""Dia by its formulas, as plain as they are: what the first release is compared with.

Nothing here is shared with the package under test or with transformers; both are compared with it. Texts are token ids
`[T]`, codes `[frames, C]`, rows of the decoder `[R, C]`, logits `[R, C, V]`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Config = Mapping[str, Any]
Tokens = NDArray[np.int64]
Codes = NDArray[np.int16]
Array = NDArray[np.float64]


def generated(grid: NDArray[np.int64], prompt: int, delays: Sequence[int], eos: int) -> Codes:
    """The frames after the prompt in a delayed grid `[R, C]`, up to EOS in the first codebook."""
    first = prompt + 1
    frames = grid[first:, 0].tolist().index(eos)
    return np.array(
        [[grid[first + frame + delay, channel] for channel, delay in enumerate(delays)] for frame in range(frames)],
        np.int16,
    ).reshape(-1, len(delays))


def first_release_scores(cond: Array, uncond: Array, cfg_scale: float, eos: int) -> Array:
    """What the first release draws from, for logits `[C, V]`: the guided ones, with EOS held back a little."""
    scores = cond + cfg_scale * (cond - uncond)
    scores[:, eos + 1 :] = -np.inf
    scores[1:, eos] = -np.inf
    scores[0, eos] *= 0.8
    return scores


def first_release_probabilities(scores: Array, temperature: float, top_p: float, top_k: int) -> Array:
    """Probabilities of one codebook's tokens `[V]` for its `scores` `[V]`: temperature, then top-k, then top-p."""
    order = np.argsort(-scores)[:top_k]
    likely = np.exp((scores[order] - scores[order[0]]) / temperature)
    likely /= likely.sum()
    kept = np.zeros_like(scores)
    reached = 0.0
    for token, probability in zip(order, likely, strict=True):
        if reached > top_p:
            break
        kept[token] = probability
        reached += probability
    return np.asarray(kept / kept.sum())


class Plain:
    """Dia by its formulas: float64, no cache, no batch, every head and row by itself.

    With `cross_rope` it is the first release: cross-attention rotates queries by their row and keys by their place in
    the text.
    """

    def __init__(self, config: Config, state: Mapping[str, Tensor], *, cross_rope: bool) -> None:
        self._config = config
        self._cross_rope = cross_rope
        self._weights: dict[str, Array] = {name: tensor.double().numpy() for name, tensor in state.items()}

    def logits(self, text: Tokens, rows: Tokens) -> Array:
        """Logits after each of `rows`; the unconditional ones are those of a text of zeros."""
        half = self._config["decoder_config"]
        channels, vocab = half["num_channels"], half["vocab_size"]
        heads = half["num_attention_heads"], half["num_key_value_heads"], half["head_dim"]
        cross_heads = half["cross_num_attention_heads"], half["cross_num_key_value_heads"], half["cross_head_dim"]
        encoded = self._encode(text)
        table = self._weights["decoder.embeddings.embed.weight"]
        x = np.array([sum(table[channel * vocab + token] for channel, token in enumerate(row)) for row in rows])
        for index in range(half["num_hidden_layers"]):
            name = f"decoder.layers.{index}"
            normed = self._norm(x, f"{name}.pre_sa_norm")
            x = x + self._attention(f"{name}.self_attention", normed, normed, heads, rope=True, causal=True)
            normed = self._norm(x, f"{name}.pre_ca_norm")
            x = x + self._attention(f"{name}.cross_attention", normed, encoded, cross_heads, rope=self._cross_rope)
            x = x + self._mlp(f"{name}.mlp", self._norm(x, f"{name}.pre_mlp_norm"))
        made = self._norm(x, "decoder.norm") @ self._weights["logits_dense.weight"].T
        return np.asarray(made.reshape(len(rows), channels, vocab))

    def greedy(self, text: Tokens, prompt: Codes, max_frames: int, cfg_scale: float) -> tuple[Codes, float]:
        """The codes of the first release at temperature 0, and the least change of a score that could alter them."""
        delays = self._config["delay_pattern"]
        special = self._config["decoder_config"]
        eos, pad, bos = (special[f"{name}_token_id"] for name in ("eos", "pad", "bos"))
        grid: list[list[int]] = []
        end, margin = sys.maxsize, float("inf")
        while len(grid) < end + max(delays):
            drawn, gap = [bos] * len(delays), float("inf")
            if len(grid) > len(prompt):
                drawn, gap = self._likeliest(text, np.array(grid), eos, cfg_scale)
                if end == sys.maxsize and (drawn[0] == eos or len(grid) == len(prompt) + 1 + max_frames):
                    end = len(grid)
            margin = min(margin, gap)
            row = []
            for channel, delay in enumerate(delays):
                frame = len(grid) - 1 - delay
                if frame < 0:
                    row.append(bos)
                elif frame < len(prompt):
                    row.append(int(prompt[frame, channel]))
                else:
                    last = end + delay
                    row.append(drawn[channel] if len(grid) < last else eos if len(grid) == last else pad)
            grid.append(row)
        return generated(np.array(grid), len(prompt), delays, eos), margin

    def _likeliest(self, text: Tokens, rows: Tokens, eos: int, cfg_scale: float) -> tuple[list[int], float]:
        cond = self.logits(text, rows)[-1]
        uncond = self.logits(np.zeros_like(text), rows)[-1] if cfg_scale else cond
        scores = first_release_scores(cond, uncond, cfg_scale, eos)
        first, second = np.sort(scores, axis=-1)[:, :-3:-1].T
        return [int(channel.argmax()) for channel in scores], float((first - second).min())

    def _encode(self, text: Tokens) -> Array:
        half = self._config["encoder_config"]
        heads = half["num_attention_heads"], half["num_key_value_heads"], half["head_dim"]
        x = self._weights["encoder.embedding.weight"][text]
        for index in range(half["num_hidden_layers"]):
            name = f"encoder.layers.{index}"
            normed = self._norm(x, f"{name}.pre_sa_norm")
            x = x + self._attention(f"{name}.self_attention", normed, normed, heads, rope=True)
            x = x + self._mlp(f"{name}.mlp", self._norm(x, f"{name}.post_sa_norm"))
        return self._norm(x, "encoder.norm")

    def _attention(
        self, name: str, x: Array, source: Array, sizes: tuple[int, int, int], *, rope: bool, causal: bool = False
    ) -> Array:
        heads, kv_heads, size = sizes
        query = x @ self._weights[f"{name}.q_proj.weight"].T
        key, value = (source @ self._weights[f"{name}.{kind}_proj.weight"].T for kind in "kv")
        heard = np.zeros((len(x), heads * size))
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            shared = head * kv_heads // heads
            kept = slice(shared * size, (shared + 1) * size)
            q, k, v = query[:, own], key[:, kept], value[:, kept]
            if rope:
                q, k = self._rotated(q), self._rotated(k)
            for row in range(len(x)):
                seen = row + 1 if causal else len(source)
                weights = np.exp(k[:seen] @ q[row])
                heard[row, own] = weights / weights.sum() @ v[:seen]
        return heard @ self._weights[f"{name}.o_proj.weight"].T

    def _rotated(self, x: Array) -> Array:
        """Each pair of `x` `[N, d]`, one number of either half, as a complex number turned by its position."""
        half = x.shape[1] // 2
        theta = self._config["decoder_config"]["rope_parameters"]["rope_theta"]
        angles = np.outer(np.arange(len(x)), [theta ** (-index / half) for index in range(half)])
        turned = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * angles)
        return np.concatenate([turned.real, turned.imag], axis=1)

    def _mlp(self, name: str, x: Array) -> Array:
        gate, up = np.split(x @ self._weights[f"{name}.gate_up_proj.weight"].T, 2, axis=1)
        made: Array = gate / (1 + np.exp(-gate)) * up @ self._weights[f"{name}.down_proj.weight"].T
        return made

    def _norm(self, x: Array, name: str) -> Array:
        mean_square = (x**2).mean(axis=1, keepdims=True)
        normed: Array = x / np.sqrt(mean_square + self._config["norm_eps"]) * self._weights[f"{name}.weight"]
        return normed
