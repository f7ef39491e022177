from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.dia.weights.config import DecoderConfig, DiaConfig, EncoderConfig, parse_config, read_config
from pipeline.errors import EngineError
from tests.support import tiny_dia

WHERE = "weights/config.json"
SPELLINGS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "new": copy.deepcopy,
    "old": tiny_dia.old_spelling,
    "v1": tiny_dia.v1_spelling,
}
# Fields that may be left out: they say what kind of model it is, or Nari's own reader has a default.
OPTIONAL = set(
    "architectures is_encoder_decoder norm_eps torch_dtype transformers_version encoder_config.model_type "
    "encoder_config.hidden_act encoder_config.rope_scaling encoder_config.rope_parameters.rope_type "
    "decoder_config.model_type decoder_config.hidden_act decoder_config.rope_scaling "
    "decoder_config.rope_parameters.rope_type version model.src_vocab_size model.tgt_vocab_size model.dropout "
    "training.dtype training.logits_dot_in_fp32 data.channels data.text_pad_value data.audio_eos_value "
    "data.audio_pad_value data.audio_bos_value data.delay_pattern".split()
)


def problems(data: Any) -> list[str]:
    with pytest.raises(EngineError) as caught:
        parse_config(data, WHERE)
    return [str(problem) for problem in caught.value.problems]


def keys(data: dict[str, Any], before: str = "") -> list[str]:
    """The dotted key of every field."""
    found = []
    for key, value in data.items():
        found += keys(value, f"{before}{key}.") if isinstance(value, dict) else [before + key]
    return found


def changed(data: dict[str, Any], key: str, value: Any = ...) -> dict[str, Any]:
    """`data` with another value under the dotted `key`, or without it."""
    result = copy.deepcopy(data)
    *sections, last = key.split(".")
    section = result
    for name in sections:
        section = section[name]
    if value is ...:
        section.pop(last, None)
    else:
        section[last] = value
    return result


def test_every_size_is_read_from_its_field() -> None:
    assert parse_config(tiny_dia.TINY, WHERE) == DiaConfig(
        encoder=EncoderConfig(
            layers=2,
            hidden=32,
            heads=2,
            kv_heads=2,
            head_dim=16,
            inner=64,
            vocab=256,
            max_positions=96,
            norm_eps=1e-5,
            rope_theta=10000.0,
        ),
        decoder=DecoderConfig(
            layers=3,
            hidden=48,
            heads=4,
            kv_heads=2,
            head_dim=16,
            cross_heads=2,
            cross_kv_heads=2,
            cross_head_dim=16,
            cross_hidden=32,
            inner=80,
            vocab=1028,
            channels=9,
            max_positions=256,
            norm_eps=1e-5,
            rope_theta=10000.0,
        ),
        delays=(0, 8, 9, 10, 11, 12, 13, 14, 15),
        bos=1026,
        eos=1024,
        pad=1025,
        network="0626",
    )


def test_the_three_spellings_say_the_same_but_for_the_network() -> None:
    new, old, v1 = (parse_config(spell(tiny_dia.config_dict()), WHERE) for spell in SPELLINGS.values())
    assert old == new
    assert v1 == dataclasses.replace(new, network="v1")
    assert not new.cross_rope
    assert v1.cross_rope


def test_special_tokens_at_the_top_come_before_the_decoders() -> None:
    """As transformers does it: it forwards those at the top to the decoder."""
    config = parse_config(tiny_dia.config_dict(eos_token_id=1027, pad_token_id=None), WHERE)
    assert (config.eos, config.pad) == (1027, 1025)


def test_what_the_first_release_leaves_out_has_the_default_of_its_own_reader() -> None:
    data = tiny_dia.v1_spelling(tiny_dia.config_dict())
    for key in OPTIONAL & set(keys(data)):
        data = changed(data, key)
    expected = dataclasses.replace(parse_config(tiny_dia.config_dict(), WHERE), network="v1")
    assert parse_config(data, WHERE) == expected


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_missing_field_is_named(spelling: str) -> None:
    data = SPELLINGS[spelling](tiny_dia.config_dict())
    required = [key for key in keys(data) if key not in OPTIONAL | {"model_type"}]
    assert len(required) >= 15
    for key in required:
        [problem] = problems(changed(data, key))
        assert problem.startswith(f"{WHERE}: ")
        assert key.split(".")[-1] in problem
        assert "missing; expected" in problem


@pytest.mark.parametrize("value", [True, "2", 2.5, 0, -1, [2], {"a": 1}])
def test_a_size_that_is_no_whole_number_is_refused(value: Any) -> None:
    key = "decoder_config.num_hidden_layers"
    [problem] = problems(changed(tiny_dia.TINY, key, value))
    assert problem.startswith(f"{WHERE}: {key}: is {json.dumps(value)}; expected a whole number of 1 or more.")


def test_all_problems_are_told_at_once() -> None:
    data = changed(tiny_dia.TINY, "encoder_config.head_dim")
    data = changed(data, "decoder_config.norm_eps", -1e-5)
    data = changed(data, "delay_pattern", "0, 8")
    assert [problem.split(": ")[1] for problem in problems(data)] == [
        "encoder_config.head_dim",
        "decoder_config.norm_eps",
        "delay_pattern",
    ]


@pytest.mark.parametrize(
    ("spelling", "key", "value", "said"),
    [
        ("new", "encoder_config.rope_parameters.rope_type", "yarn", 'is "yarn"; expected "default"'),
        ("old", "decoder_config.rope_scaling", {"type": "linear", "factor": 2.0}, 'is "linear"; expected "default"'),
        ("new", "decoder_config.hidden_act", "gelu", 'is "gelu"; expected "silu"'),
        ("v1", "model.rope_min_timescale", 2, "is 2; expected 1"),
        ("new", "decoder_config.num_key_value_heads", 3, "4 heads cannot share 3 key-value heads"),
        ("new", "decoder_config.cross_num_key_value_heads", 4, "2 heads cannot share 4 key-value heads"),
        ("new", "encoder_config.head_dim", 15, "the head size is 15; expected an even number"),
        ("v1", "model.decoder.cross_head_dim", 7, "the head size is 7; expected an even number"),
        ("new", "decoder_config.cross_hidden_size", 31, "reads text of width 31; the encoder's is 32"),
        ("new", "delay_pattern", [0, 1], "has 2 delays for 9 channels"),
        ("new", "delay_pattern", [1] * 9, "a list of whole numbers that starts with 0"),
        ("v1", "data.delay_pattern", [0, -1], "a list of whole numbers that starts with 0"),
        ("new", "decoder_config.max_position_embeddings", 16, "16 positions leave no room"),
        ("new", "decoder_config.eos_token_id", 1028, "expected three of the 1028 tokens"),
        ("old", "eos_token_id", 1026, "expected three of the 1028 tokens"),
        ("new", "decoder_config.rope_parameters.rope_theta", float("nan"), "expected a number above 0"),
    ],
)
def test_what_this_engine_cannot_compute_is_refused(spelling: str, key: str, value: Any, said: str) -> None:
    [problem] = problems(changed(SPELLINGS[spelling](tiny_dia.config_dict()), key, value))
    assert said in problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(SPELLINGS)), st.data())
def test_any_value_anywhere_gives_a_configuration_or_an_error_of_ours(spelling: str, data: st.DataObject) -> None:
    config = SPELLINGS[spelling](tiny_dia.config_dict())
    key = data.draw(st.sampled_from(keys(config) + list(config)))
    try:
        parsed = parse_config(changed(config, key, data.draw(JSON)), WHERE)
    except EngineError as error:
        assert all(problem.where == WHERE and problem.next for problem in error.problems)
    else:
        assert parsed.network == ("v1" if spelling == "v1" else "0626")


def test_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(tiny_dia.TINY))
    assert read_config(tmp_path) == parse_config(tiny_dia.TINY, WHERE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"{'model_type': 'dia'}", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[1, 2]", "holds [1, 2], not an object"),
        (b"{}", "describes no model that is known, not a Dia model"),
        (b'{"model_type": "llama"}', 'describes a model of type "llama", not a Dia model'),
        (b'{"model_type": "dac"}', 'describes the audio codec ("model_type": "dac"), not a Dia model'),
        (b'{"model": {}}', "describes no model that is known"),
    ],
)
def test_a_file_that_is_something_else_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(EngineError) as caught:
        read_config(tmp_path)
    [problem] = caught.value.problems
    assert problem.where == str(tmp_path / "config.json")
    assert said in problem.what


def test_a_folder_without_a_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"there is no such file\. Name a folder of Dia weights"):
        read_config(tmp_path / "nowhere")
    (tmp_path / "config.json").mkdir()
    with pytest.raises(EngineError, match="cannot be read: Is a directory"):
        read_config(tmp_path)
