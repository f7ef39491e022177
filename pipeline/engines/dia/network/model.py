"""The network: a text encoder, and a decoder that reads rows of codes and gives the logits of the next row.

Pre-norm, no biases, attention without the usual 1/sqrt(d). The residual stream, norms, rotations and logits are in
float32, the products in the precision of the weights. No text is padded, and nothing is computed for an empty slot.
How products and attention are computed is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline.engines.dia.network.attention import (
    Attention,
    Batch,
    Lane,
    PlainAttention,
    Text,
    attend,
    heads_of,
    rope_table,
    rotate,
)
from pipeline.engines.dia.network.linear import BY_TORCH, Linear, RowFunctions
from pipeline.engines.dia.weights.config import DiaConfig
from pipeline.engines.dia.weights.tensors import merge

Product = Callable[[Tensor], Tensor]  # `[N, in]` to `[N, out]`, both float32


@dataclass(frozen=True)
class _EncoderLayer:
    pre_sa_norm: Tensor
    qkv: Product
    o: Product
    post_sa_norm: Tensor
    gate_up: Product
    down: Product


@dataclass(frozen=True)
class _DecoderLayer:
    pre_sa_norm: Tensor
    qkv: Product
    o: Product
    pre_ca_norm: Tensor
    cross_q: Product
    cross_kv: Product
    cross_o: Product
    pre_mlp_norm: Tensor
    gate_up: Product
    down: Product


class Model:
    """Dia with its weights, on one device."""

    def __init__(
        self,
        config: DiaConfig,
        state: dict[str, Any],
        product: Callable[[Any], Product] = Linear,
        attention: Attention | None = None,
        functions: RowFunctions = BY_TORCH,
    ) -> None:
        """`state` holds the tensors by their canonical names, merged or not, and is emptied as they are taken over.

        `product` makes a matrix product of what stands there for a weight `[out, in]`. Attention is plain unless given.
        """
        merge(state)
        self.config = config
        self._norm, self._gate = functions.norm, functions.gate
        encoder, decoder = config.encoder, config.decoder
        self._text_embedding: Tensor = state.pop("encoder.embedding.weight")
        self.device = self._text_embedding.device
        self._encoder = [_encoder_layer(state, f"encoder.layers.{index}", product) for index in range(encoder.layers)]
        self._encoder_norm = state.pop("encoder.norm.weight")
        self._embedding: Tensor = state.pop("decoder.embeddings.embed.weight")
        self._decoder = [_decoder_layer(state, f"decoder.layers.{index}", product) for index in range(decoder.layers)]
        self._decoder_norm = state.pop("decoder.norm.weight")
        self._head = product(state.pop("logits_dense.weight"))
        self._first_id = torch.arange(decoder.channels, device=self.device) * decoder.vocab
        self._text_rope = rope_table(encoder.max_positions, encoder.head_dim, encoder.rope_theta, self.device)
        self._dtype = self._embedding.dtype
        self.attention = attention or PlainAttention(config, self._dtype, self.device)
        self._unconditional = self._unconditional_cross_attention()

    @torch.inference_mode()
    def encode(self, tokens: Tensor) -> Tensor:
        """The encoder's output `[T, hidden]` for the text `tokens` `[T]`."""
        config = self.config.encoder
        x = self._text_embedding[tokens].float()
        positions = torch.arange(len(tokens), device=self.device)
        for layer in self._encoder:
            qkv = layer.qkv(self._norm(x, layer.pre_sa_norm, config.norm_eps))
            query, key, value = heads_of(qkv, (config.heads, config.kv_heads, config.kv_heads), config.head_dim)
            query, key = (rotate(part, self._text_rope, positions).to(self._dtype) for part in (query, key))
            attended = attend(query, key.transpose(0, 1), value.to(self._dtype).transpose(0, 1))
            x += layer.o(attended.float())
            x += self._mlp(layer, self._norm(x, layer.post_sa_norm, config.norm_eps))
        return self._norm(x, self._encoder_norm, config.norm_eps)

    @torch.inference_mode()
    def prefill_text(self, tokens: Tensor) -> Text:
        """The KV cache of the text `tokens` `[T]` for every layer's cross-attention."""
        encoded = self.encode(tokens)
        text = self.attention.text(len(tokens))
        for index, layer in enumerate(self._decoder):
            self.attention.write_text(text, index, layer.cross_kv(encoded))
        return text

    def lane(self, text: Text | None, capacity: int) -> Lane:
        """An empty lane for up to `capacity` rows."""
        return self.attention.lane(text, capacity)

    @torch.inference_mode()
    def step(self, lanes: Sequence[Lane], codes: Tensor) -> Tensor:
        """The last layer's output `[L, n, hidden]` for the next rows `codes` `[L, n, C]`, `n` of each lane.

        A decode step (`n` is 1), or the prefill of lanes that are empty. Lanes with a text come first; their KV caches
        all grow by `n`.
        """
        count, rows, _channels = codes.shape
        config = self.config.decoder
        with_text = rows * sum(lane.text is not None for lane in lanes)
        batch = self.attention.batch(lanes, rows)
        x = self.embed(codes.reshape(count * rows, -1))
        for index in range(config.layers):
            x = self.layer(index, x, batch, with_text)
        for lane in lanes:
            lane.length += rows
        return x.view(count, rows, -1)

    def embed(self, codes: Tensor) -> Tensor:
        """The embeddings `[N, hidden]` of rows `codes` `[N, C]`: the sum over their codebooks."""
        return self._embedding[codes + self._first_id].float().sum(1)

    def layer(self, index: int, x: Tensor, batch: Batch, with_text: int) -> Tensor:
        """A layer of the decoder on `x` `[N, hidden]`, in place; its first `with_text` rows are of lanes with one."""
        layer, eps = self._decoder[index], self.config.decoder.norm_eps
        x += layer.o(batch.self_attention(index, layer.qkv(self._norm(x, layer.pre_sa_norm, eps))))
        conditional, unconditional = x[:with_text], x[with_text:]
        if with_text:
            query = layer.cross_q(self._norm(conditional, layer.pre_ca_norm, eps))
            conditional += layer.cross_o(batch.cross_attention(index, query))
        unconditional += self._unconditional[index]
        x += self._mlp(layer, self._norm(x, layer.pre_mlp_norm, eps))
        return x

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Logits `[N, C, V]` in float32 for `hidden` `[N, hidden]`."""
        config = self.config.decoder
        scores = self._head(self._norm(hidden, self._decoder_norm, config.norm_eps))
        return scores.view(len(hidden), config.channels, config.vocab)

    def _mlp(self, layer: _EncoderLayer | _DecoderLayer, normed: Tensor) -> Tensor:
        return layer.down(self._gate(layer.gate_up(normed)))

    @torch.inference_mode()
    def _unconditional_cross_attention(self) -> Tensor:
        """What cross-attention adds to unconditional lanes in each layer, `[layers, hidden]`: a constant.

        Their text is id 0 at every position, so all its encodings and values are the same vector, and so is any mean of
        them, whatever the query and however long the text.
        """
        config = self.config.decoder
        encoded = self.encode(torch.zeros(1, dtype=torch.long, device=self.device))
        outputs = []
        for layer in self._decoder:
            _key, value = heads_of(layer.cross_kv(encoded), (config.cross_kv_heads,) * 2, config.cross_head_dim)
            attended = value.repeat_interleave(config.cross_heads // config.cross_kv_heads, dim=1)
            outputs.append(layer.cross_o(attended.reshape(1, -1)))
        return torch.cat(outputs)


def _encoder_layer(state: dict[str, Any], name: str, product: Callable[[Any], Product]) -> _EncoderLayer:
    return _EncoderLayer(
        pre_sa_norm=state.pop(f"{name}.pre_sa_norm.weight"),
        qkv=product(state.pop(f"{name}.self_attention.qkv.weight")),
        o=product(state.pop(f"{name}.self_attention.o_proj.weight")),
        post_sa_norm=state.pop(f"{name}.post_sa_norm.weight"),
        gate_up=product(state.pop(f"{name}.mlp.gate_up_proj.weight")),
        down=product(state.pop(f"{name}.mlp.down_proj.weight")),
    )


def _decoder_layer(state: dict[str, Any], name: str, product: Callable[[Any], Product]) -> _DecoderLayer:
    return _DecoderLayer(
        pre_sa_norm=state.pop(f"{name}.pre_sa_norm.weight"),
        qkv=product(state.pop(f"{name}.self_attention.qkv.weight")),
        o=product(state.pop(f"{name}.self_attention.o_proj.weight")),
        pre_ca_norm=state.pop(f"{name}.pre_ca_norm.weight"),
        cross_q=product(state.pop(f"{name}.cross_attention.q_proj.weight")),
        cross_kv=product(state.pop(f"{name}.cross_attention.kv.weight")),
        cross_o=product(state.pop(f"{name}.cross_attention.o_proj.weight")),
        pre_mlp_norm=state.pop(f"{name}.pre_mlp_norm.weight"),
        gate_up=product(state.pop(f"{name}.mlp.gate_up_proj.weight")),
        down=product(state.pop(f"{name}.mlp.down_proj.weight")),
    )
