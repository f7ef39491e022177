"""The network: a text encoder, and a decoder that reads rows of codes and says what the next row may be.

Pre-norm, no biases, attention without the usual 1/sqrt(d). The residual stream, norms, rotations and logits are in
float32, the products in the precision of the weights. No text is padded, and nothing is computed for an empty slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.engines.dia.config import DiaConfig
from pipeline.engines.dia.linear import Linear, silu_gate


@dataclass(frozen=True)
class _EncoderLayer:
    pre_sa_norm: Tensor
    qkv: Linear
    o: Linear
    post_sa_norm: Tensor
    gate_up: Linear
    down: Linear


@dataclass(frozen=True)
class _DecoderLayer:
    pre_sa_norm: Tensor
    qkv: Linear
    o: Linear
    pre_ca_norm: Tensor
    cross_q: Linear
    cross_kv: Linear
    cross_o: Linear
    pre_mlp_norm: Tensor
    gate_up: Linear
    down: Linear


@dataclass(frozen=True)
class Text:
    """What the decoder reads of a text: keys and values `[layers, heads, T, d]`."""

    keys: Tensor
    values: Tensor


@dataclass
class Lane:
    """One row of the batch with the keys and values `[layers, kv heads, capacity, d]` of all it has read.

    Without a text it is the unconditional one of guidance.
    """

    text: Text | None
    keys: Tensor
    values: Tensor
    length: int = 0


class Model:
    """Dia with its weights, on one device."""

    def __init__(self, config: DiaConfig, state: dict[str, Tensor]) -> None:
        """`state` holds the tensors by their canonical names, and is emptied as they are taken over."""
        self.config = config
        encoder, decoder = config.encoder, config.decoder
        self._text_embedding = state.pop("encoder.embedding.weight")
        self.device = self._text_embedding.device
        self._encoder = [_encoder_layer(state, f"encoder.layers.{index}") for index in range(encoder.layers)]
        self._encoder_norm = state.pop("encoder.norm.weight")
        self._embedding = state.pop("decoder.embeddings.embed.weight")
        self._decoder = [_decoder_layer(state, f"decoder.layers.{index}") for index in range(decoder.layers)]
        self._decoder_norm = state.pop("decoder.norm.weight")
        self._head = Linear(state.pop("logits_dense.weight"))
        self.dtype = self._head.dtype
        self._first_id = torch.arange(decoder.channels, device=self.device) * decoder.vocab
        longest = max(encoder.max_positions, decoder.max_positions)
        self._text_rope = _rope_table(encoder.max_positions, encoder.head_dim, encoder.rope_theta, self.device)
        self._rope = _rope_table(decoder.max_positions, decoder.head_dim, decoder.rope_theta, self.device)
        self._cross_rope = _rope_table(longest, decoder.cross_head_dim, decoder.rope_theta, self.device)
        self.unread = self._unread()

    @torch.inference_mode()
    def encode(self, tokens: Tensor) -> Tensor:
        """The text `tokens` `[T]` as `[T, hidden]`."""
        config = self.config.encoder
        x = self._text_embedding[tokens].float()
        positions = torch.arange(len(tokens), device=self.device)
        for layer in self._encoder:
            mixed = layer.qkv(_norm(x, layer.pre_sa_norm, config.norm_eps))
            query, key, value = _heads(mixed, (config.heads, config.kv_heads, config.kv_heads), config.head_dim)
            query, key = (_rotate(part, self._text_rope, positions) for part in (query, key))
            heard = _attend(query.to(self.dtype), key.to(self.dtype).transpose(0, 1), value.transpose(0, 1))
            x = x + layer.o(heard).float()
            x = x + _mlp(layer, _norm(x, layer.post_sa_norm, config.norm_eps))
        return _norm(x, self._encoder_norm, config.norm_eps)

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Text:
        """Encode `tokens` `[T]` and project them for every layer's cross-attention."""
        encoded = self.encode(tokens)
        config = self.config.decoder
        heads = (config.cross_kv_heads, config.cross_kv_heads)
        keys, values = [], []
        for layer in self._decoder:
            key, value = _heads(layer.cross_kv(encoded), heads, config.cross_head_dim)
            if self.config.cross_rope:
                key = _rotate(key, self._cross_rope, torch.arange(len(tokens), device=self.device)).to(self.dtype)
            keys.append(key.transpose(0, 1))
            values.append(value.transpose(0, 1))
        return Text(torch.stack(keys), torch.stack(values))

    def lane(self, text: Text | None, capacity: int) -> Lane:
        """An empty lane for up to `capacity` rows."""
        config = self.config.decoder
        shape = (config.layers, config.kv_heads, capacity, config.head_dim)
        keys, values = (torch.empty(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        return Lane(text, keys, values)

    @torch.inference_mode()
    def step(self, lanes: Sequence[Lane], codes: Tensor) -> Tensor:
        """Read the next rows `codes` `[L, n, C]`, `n` of each lane, and return the last layer's `[L, n, hidden]`.

        The lanes grow by `n`. More than one row at a time can be read only by lanes that are empty.
        """
        count, rows, _channels = codes.shape
        config = self.config.decoder
        x = self._embedding[(codes + self._first_id).reshape(count * rows, -1)].float().sum(1)
        starts = torch.tensor([lane.length for lane in lanes], device=self.device)
        positions = (starts[:, None] + torch.arange(rows, device=self.device)).flatten()
        for index, layer in enumerate(self._decoder):
            x = x + self._self_attention(index, layer, x, lanes, positions)
            x = x + self._cross_attention(index, layer, x, lanes, positions)
            x = x + _mlp(layer, _norm(x, layer.pre_mlp_norm, config.norm_eps))
        for lane in lanes:
            lane.length += rows
        return x.view(count, rows, -1)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Logits `[N, C, V]` in float32 for `hidden` `[N, hidden]`."""
        config = self.config.decoder
        scores = self._head(_norm(hidden, self._decoder_norm, config.norm_eps)).float()
        return scores.view(len(hidden), config.channels, config.vocab)

    def _self_attention(
        self, index: int, layer: _DecoderLayer, x: Tensor, lanes: Sequence[Lane], positions: Tensor
    ) -> Tensor:
        config = self.config.decoder
        mixed = layer.qkv(_norm(x, layer.pre_sa_norm, config.norm_eps))
        query, key, value = _heads(mixed, (config.heads, config.kv_heads, config.kv_heads), config.head_dim)
        query, key = (_rotate(part, self._rope, positions).to(self.dtype) for part in (query, key))
        rows = len(x) // len(lanes)
        heard = []
        for lane, q, k, v in zip(lanes, query.split(rows), key.split(rows), value.split(rows), strict=True):
            end = lane.length + rows
            lane.keys[index, :, lane.length : end] = k.transpose(0, 1)
            lane.values[index, :, lane.length : end] = v.transpose(0, 1)
            heard.append(_attend(q, lane.keys[index, :, :end], lane.values[index, :, :end], causal=rows > 1))
        return layer.o(torch.cat(heard)).float()

    def _cross_attention(
        self, index: int, layer: _DecoderLayer, x: Tensor, lanes: Sequence[Lane], positions: Tensor
    ) -> Tensor:
        config = self.config.decoder
        rows = len(x) // len(lanes)
        reads = torch.tensor([lane.text is not None for lane in lanes], device=self.device).repeat_interleave(rows)
        answer = self.unread[index].expand(len(x), -1)
        texts = [lane.text for lane in lanes if lane.text is not None]
        if not texts:
            return answer
        normed = _norm(x[reads], layer.pre_ca_norm, config.norm_eps)
        (query,) = _heads(layer.cross_q(normed), (config.cross_heads,), config.cross_head_dim)
        if self.config.cross_rope:
            query = _rotate(query, self._cross_rope, positions[reads]).to(self.dtype)
        heard = [
            _attend(q, text.keys[index], text.values[index]) for q, text in zip(query.split(rows), texts, strict=True)
        ]
        answer = answer.clone()
        answer[reads] = layer.cross_o(torch.cat(heard)).float()
        return answer

    def _unread(self) -> Tensor:
        """What cross-attention gives the unconditional lane in each layer, `[layers, hidden]`.

        Its text is id 0 at every position, so all its encodings and values are the same vector, and so is any mean of
        them, whatever the query and however long the text.
        """
        nothing = self.read(torch.zeros(1, dtype=torch.long, device=self.device))
        group = self.config.decoder.cross_heads // self.config.decoder.cross_kv_heads
        values = nothing.values[:, :, 0].repeat_interleave(group, dim=1)  # [layers, heads, d]
        with torch.inference_mode():
            made = [layer.cross_o(value.reshape(1, -1)) for layer, value in zip(self._decoder, values, strict=True)]
            return torch.cat(made).float()


def _encoder_layer(state: dict[str, Tensor], name: str) -> _EncoderLayer:
    return _EncoderLayer(
        pre_sa_norm=state.pop(f"{name}.pre_sa_norm.weight"),
        qkv=_merged(state, f"{name}.self_attention", "qkv"),
        o=Linear(state.pop(f"{name}.self_attention.o_proj.weight")),
        post_sa_norm=state.pop(f"{name}.post_sa_norm.weight"),
        gate_up=Linear(state.pop(f"{name}.mlp.gate_up_proj.weight")),
        down=Linear(state.pop(f"{name}.mlp.down_proj.weight")),
    )


def _decoder_layer(state: dict[str, Tensor], name: str) -> _DecoderLayer:
    return _DecoderLayer(
        pre_sa_norm=state.pop(f"{name}.pre_sa_norm.weight"),
        qkv=_merged(state, f"{name}.self_attention", "qkv"),
        o=Linear(state.pop(f"{name}.self_attention.o_proj.weight")),
        pre_ca_norm=state.pop(f"{name}.pre_ca_norm.weight"),
        cross_q=Linear(state.pop(f"{name}.cross_attention.q_proj.weight")),
        cross_kv=_merged(state, f"{name}.cross_attention", "kv"),
        cross_o=Linear(state.pop(f"{name}.cross_attention.o_proj.weight")),
        pre_mlp_norm=state.pop(f"{name}.pre_mlp_norm.weight"),
        gate_up=Linear(state.pop(f"{name}.mlp.gate_up_proj.weight")),
        down=Linear(state.pop(f"{name}.mlp.down_proj.weight")),
    )


def _merged(state: dict[str, Tensor], name: str, kinds: str) -> Linear:
    """Projections of one input as one product."""
    return Linear(torch.cat([state.pop(f"{name}.{kind}_proj.weight") for kind in kinds]))


def _mlp(layer: _EncoderLayer | _DecoderLayer, normed: Tensor) -> Tensor:
    gate, up = layer.gate_up(normed).chunk(2, dim=-1)
    return layer.down(silu_gate(gate, up)).float()


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight.float(), eps)


def _heads(mixed: Tensor, counts: Sequence[int], size: int) -> list[Tensor]:
    """`[N, sum(counts) * size]` as one `[N, count, size]` for each of `counts`."""
    return list(mixed.view(len(mixed), -1, size).split(list(counts), dim=1))


def _rope_table(positions: int, size: int, theta: float, device: torch.device) -> Tensor:
    """Cosines and sines `[2, positions, size / 2]`: a table, so that one of them never depends on its neighbours."""
    exponent = torch.arange(0, size, 2, dtype=torch.float64) / size
    angle = torch.arange(positions, dtype=torch.float64)[:, None] / theta**exponent
    return torch.stack([angle.cos(), angle.sin()]).float().to(device)


def _rotate(x: Tensor, table: Tensor, positions: Tensor) -> Tensor:
    """Rotary positions on `x` `[N, heads, d]`, the halves of `d` as pairs, in float32."""
    cos, sin = table[:, positions][:, :, None]
    low, high = x.float().chunk(2, dim=-1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


def _attend(query: Tensor, keys: Tensor, values: Tensor, *, causal: bool = False) -> Tensor:
    """`[n, heads * d]` from `query` `[n, heads, d]` over `keys` and `values` `[kv heads, T, d]`; the scale is 1."""
    count, heads, _size = query.shape
    group = heads // len(keys)
    if count == 1:  # the heads of a group share keys, as rows of one query
        made = functional.scaled_dot_product_attention(
            query.reshape(1, len(keys), group, -1), keys[None], values[None], scale=1.0
        )
    else:
        keys, values = (part.repeat_interleave(group, dim=0)[None] for part in (keys, values))
        made = functional.scaled_dot_product_attention(
            query.transpose(0, 1)[None], keys, values, is_causal=causal, scale=1.0
        ).transpose(1, 2)
    return made.reshape(count, -1)
