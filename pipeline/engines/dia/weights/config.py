"""A model's config.json in, its sizes out.

Three spellings are read: transformers' of 4.53 (special tokens at the top, `rope_theta`), transformers' of 5.x (special
tokens in `decoder_config`, `rope_parameters`) and the one of Nari's first release (`version`, `model`, `data`). The
last is another network, although its tensors have the same names and shapes: only this file tells the two apart.
Knows nothing of tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import EngineError, Problem

CONFIG_NAME = "config.json"
Network = Literal["0626", "v1"]

_DELAYS = [0, 8, 9, 10, 11, 12, 13, 14, 15]
_NEXT = "Use the config.json that was published with the weights; fetching them again restores it."
_MISSING = object()


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the text encoder; `inner` is the width of the MLP between its two halves."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocab: int
    max_positions: int
    norm_eps: float
    rope_theta: float


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of the audio decoder; `vocab` is that of one of the `channels`, `cross_hidden` the encoder's width."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    cross_heads: int
    cross_kv_heads: int
    cross_head_dim: int
    cross_hidden: int
    inner: int
    vocab: int
    channels: int
    max_positions: int
    norm_eps: float
    rope_theta: float


@dataclass(frozen=True)
class DiaConfig:
    """A whole model: its two halves, the delay of every channel in frames, and its special tokens."""

    encoder: EncoderConfig
    decoder: DecoderConfig
    delays: tuple[int, ...]
    bos: int
    eos: int
    pad: int
    network: Network

    @property
    def cross_rope(self) -> bool:
        """Whether cross-attention rotates queries and keys by position, as only the first release does."""
        return self.network == "v1"


def read_config(folder: Path) -> DiaConfig:
    """The configuration in `folder`/config.json.

    Raises `EngineError` where the file is missing, is no JSON, or describes something other than Dia.
    """
    path = folder / CONFIG_NAME
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        hint = "Name a folder of Dia weights: config.json and the weight files beside it."
        raise EngineError(Problem(str(path), "there is no such file.", hint)) from None
    except OSError as error:
        raise EngineError(Problem(str(path), f"cannot be read: {error.strerror or error}.")) from None
    except (ValueError, RecursionError) as error:
        raise EngineError(Problem(str(path), f"is no JSON: {error}.", _NEXT)) from None
    if not isinstance(data, dict):
        raise EngineError(Problem(str(path), f"holds {_name(data)}, not an object.", _NEXT))
    return parse_config(data, str(path))


def parse_config(data: Mapping[str, Any], where: str) -> DiaConfig:
    """The configuration in `data`, the contents of the config.json called `where`.

    Raises `EngineError` with one problem for every field that is missing or wrong.
    """
    fields = _Fields(data, where)
    if data.get("model_type") == "dia":
        config = _transformers(fields)
    elif "model_type" not in data and isinstance(data.get("model"), dict) and isinstance(data.get("data"), dict):
        config = _first_release(fields)
    else:
        raise EngineError(
            Problem(where, f"describes {_what(data)}, not a Dia model.", "Name a folder of Dia-1.6B weights.")
        )
    if not fields.problems:
        _check(config, fields)
    if fields.problems:
        raise EngineError(*fields.problems)
    return config


def _what(data: Mapping[str, Any]) -> str:
    model_type = data.get("model_type")
    if model_type == "dac":
        return 'the audio codec ("model_type": "dac")'
    return f'a model of type "{model_type}"' if model_type else "no model that is known"


class _Fields:
    """Reads fields by dotted keys and collects what is wrong with them."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.problems: list[Problem] = []
        self._data = data
        self._where = where

    def wrong(self, key: str, what: str) -> None:
        self.problems.append(Problem(self._where, f"{key}: {what}", _NEXT))

    def whole(self, *keys: str, least: int = 1, default: int | None = None) -> int:
        """The whole number under the first of `keys` that is there, or `default`."""
        key, value = self._first(keys, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self._expected(key, value, f"a whole number of {least} or more")
        return least

    def positive(self, *keys: str, default: float | None = None) -> float:
        """The number above 0 under the first of `keys` that is there, or `default`."""
        key, value = self._first(keys, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
            return float(value)
        self._expected(key, value, "a number above 0")
        return 1.0

    def delays(self, key: str, default: list[int] | None = None) -> tuple[int, ...]:
        """The list of delays under `key`, or `default`."""
        _, value = self._first((key,), default)
        if isinstance(value, list) and all(type(delay) is int and delay >= 0 for delay in value) and value[:1] == [0]:
            return tuple(value)
        self._expected(key, value, "a list of whole numbers that starts with 0")
        return ()

    def only(self, *keys: str, value: str | float) -> None:
        """Refuse anything but `value` under `keys`, where one is there at all."""
        key, given = self._first(keys, value)
        if given != value:
            self._expected(key, given, f"{json.dumps(value)}, the only kind this engine computes")

    def _first(self, keys: tuple[str, ...], default: Any) -> tuple[str, Any]:
        for key in keys:
            value: Any = self._data
            for part in key.split("."):
                value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
            if value is not _MISSING and value is not None:
                return key, value
        return keys[0], _MISSING if default is None else default

    def _expected(self, key: str, value: Any, expected: str) -> None:
        state = "missing" if value is _MISSING else f"is {_name(value)}"
        self.wrong(key, f"{state}; expected {expected}.")


def _name(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def _transformers(fields: _Fields) -> DiaConfig:
    def sizes(half: str) -> dict[str, Any]:
        fields.only(f"{half}.hidden_act", value="silu")
        fields.only(
            f"{half}.rope_parameters.rope_type",
            f"{half}.rope_scaling.rope_type",
            f"{half}.rope_scaling.type",
            value="default",
        )
        return {
            "layers": fields.whole(f"{half}.num_hidden_layers"),
            "hidden": fields.whole(f"{half}.hidden_size"),
            "heads": fields.whole(f"{half}.num_attention_heads"),
            "kv_heads": fields.whole(f"{half}.num_key_value_heads"),
            "head_dim": fields.whole(f"{half}.head_dim"),
            "inner": fields.whole(f"{half}.intermediate_size"),
            "vocab": fields.whole(f"{half}.vocab_size"),
            "max_positions": fields.whole(f"{half}.max_position_embeddings"),
            "norm_eps": fields.positive(f"{half}.norm_eps"),
            "rope_theta": fields.positive(f"{half}.rope_parameters.rope_theta", f"{half}.rope_theta"),
        }

    def token(name: str) -> int:
        return fields.whole(f"{name}_token_id", f"decoder_config.{name}_token_id", least=0)

    return DiaConfig(
        encoder=EncoderConfig(**sizes("encoder_config")),
        decoder=DecoderConfig(
            **sizes("decoder_config"),
            cross_heads=fields.whole("decoder_config.cross_num_attention_heads"),
            cross_kv_heads=fields.whole("decoder_config.cross_num_key_value_heads"),
            cross_head_dim=fields.whole("decoder_config.cross_head_dim"),
            cross_hidden=fields.whole("decoder_config.cross_hidden_size"),
            channels=fields.whole("decoder_config.num_channels"),
        ),
        delays=fields.delays("delay_pattern"),
        bos=token("bos"),
        eos=token("eos"),
        pad=token("pad"),
        network="0626",
    )


def _first_release(fields: _Fields) -> DiaConfig:
    """Fields with a default are those that Nari's own reader has one for."""
    fields.only("model.rope_min_timescale", value=1)
    shared: dict[str, Any] = {
        "norm_eps": fields.positive("model.normalization_layer_epsilon", default=1e-5),
        "rope_theta": fields.positive("model.rope_max_timescale", default=10_000.0),
    }
    cross_heads = fields.whole("model.decoder.cross_query_heads")
    encoder_heads = fields.whole("model.encoder.n_head")
    encoder_hidden = fields.whole("model.encoder.n_embd")
    return DiaConfig(
        encoder=EncoderConfig(
            layers=fields.whole("model.encoder.n_layer"),
            hidden=encoder_hidden,
            heads=encoder_heads,
            kv_heads=encoder_heads,
            head_dim=fields.whole("model.encoder.head_dim"),
            inner=fields.whole("model.encoder.n_hidden"),
            vocab=fields.whole("model.src_vocab_size", default=256),
            max_positions=fields.whole("data.text_length"),
            **shared,
        ),
        decoder=DecoderConfig(
            layers=fields.whole("model.decoder.n_layer"),
            hidden=fields.whole("model.decoder.n_embd"),
            heads=fields.whole("model.decoder.gqa_query_heads"),
            kv_heads=fields.whole("model.decoder.kv_heads"),
            head_dim=fields.whole("model.decoder.gqa_head_dim"),
            cross_heads=cross_heads,
            cross_kv_heads=cross_heads,
            cross_head_dim=fields.whole("model.decoder.cross_head_dim"),
            cross_hidden=encoder_hidden,
            inner=fields.whole("model.decoder.n_hidden"),
            vocab=fields.whole("model.tgt_vocab_size", default=1028),
            channels=fields.whole("data.channels", default=9),
            max_positions=fields.whole("data.audio_length"),
            **shared,
        ),
        delays=fields.delays("data.delay_pattern", default=_DELAYS),
        bos=fields.whole("data.audio_bos_value", least=0, default=1026),
        eos=fields.whole("data.audio_eos_value", least=0, default=1024),
        pad=fields.whole("data.audio_pad_value", least=0, default=1025),
        network="v1",
    )


def _check(config: DiaConfig, fields: _Fields) -> None:
    """What the fields must be to one another, in words that fit both schemas."""
    encoder, decoder = config.encoder, config.decoder
    for name, heads, kv_heads in (
        ("encoder", encoder.heads, encoder.kv_heads),
        ("decoder", decoder.heads, decoder.kv_heads),
        ("decoder cross-attention", decoder.cross_heads, decoder.cross_kv_heads),
    ):
        if heads % kv_heads:
            fields.wrong(name, f"{heads} heads cannot share {kv_heads} key-value heads evenly.")
    for name, head_dim in (
        ("encoder", encoder.head_dim),
        ("decoder", decoder.head_dim),
        ("decoder cross-attention", decoder.cross_head_dim),
    ):
        if head_dim % 2:
            fields.wrong(name, f"the head size is {head_dim}; expected an even number.")
    if decoder.cross_hidden != encoder.hidden:
        fields.wrong("decoder", f"reads text of width {decoder.cross_hidden}; the encoder's is {encoder.hidden}.")
    if len(config.delays) != decoder.channels:
        fields.wrong("delay pattern", f"has {len(config.delays)} delays for {decoder.channels} channels.")
    if decoder.max_positions <= max(config.delays, default=0) + 1:
        fields.wrong("decoder", f"{decoder.max_positions} positions leave no room beside the delay pattern.")
    special = (config.bos, config.eos, config.pad)
    if max(special) >= decoder.vocab or len(set(special)) < len(special):
        fields.wrong(
            "special tokens",
            f"bos {config.bos}, eos {config.eos}, pad {config.pad}; expected three of the {decoder.vocab} tokens.",
        )
