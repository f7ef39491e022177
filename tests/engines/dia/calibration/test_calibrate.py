"""Whether int8 may be used with given weights: networks that lose little in it, networks with outliers, and mends."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.engines.dia.calibration.calibrate import (
    FACTOR,
    MOST_ERROR,
    MOST_KEPT,
    NEGLIGIBLE,
    Loss,
    Outputs,
    allowed,
    calibrate,
    compare,
    follow,
    speak,
)
from pipeline.engines.dia.calibration.texts import FOR_ERRORS
from pipeline.engines.dia.kernels.packing import Int8Weight
from pipeline.engines.dia.loader import product
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import parse_config, read_config
from pipeline.engines.dia.weights.fingerprint import packed_metadata
from pipeline.engines.dia.weights.tensors import expected_shapes
from pipeline.errors import EngineError
from tests.support import dia_fixtures, tiny_dia
from tests.support.commands import run_podcast

FRAMES = 10
SHORT = [0, 3, 1, 2, 2, 0, 1, 3, 1]  # delays with which every codebook is drawn from the fourth row on
SMALL = tiny_dia.config_dict(
    delay_pattern=SHORT,
    encoder={"num_hidden_layers": 1, "hidden_size": 96, "intermediate_size": 160, "max_position_embeddings": 304},
    decoder={"num_hidden_layers": 2, "hidden_size": 192, "intermediate_size": 320},
)
PARSED = parse_config(SMALL, "small")
READERS = {
    "pre_sa_norm": ["self_attention.q_proj", "self_attention.k_proj", "self_attention.v_proj"],
    "post_sa_norm": ["mlp.gate_up_proj"],
    "pre_ca_norm": ["cross_attention.q_proj"],
    "pre_mlp_norm": ["mlp.gate_up_proj"],
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small products are no faster with more."""
    with dia_fixtures.threads(1):
        yield


def outliers_in_norms(state: tiny_dia.State, factor: float, *, undone: bool) -> None:
    """Make a few channels after each norm `factor` times as large; `undone` by the weights that read them."""
    generator = torch.Generator().manual_seed(7)
    for name in [name for name in state if name.split(".")[-2] in READERS]:
        layer, norm, _ = name.rsplit(".", 2)
        channels = torch.randperm(len(state[name]), generator=generator)[:4]
        state[name][channels] *= factor
        for reader in READERS[norm] if undone else ():
            state[f"{layer}.{reader}.weight"][:, channels] /= factor


def outliers_inside(state: tiny_dia.State, factor: float) -> None:
    """Make a few channels between the halves of each MLP, and a few values of attention, `factor` times as large."""
    for name in [name for name in state if name.endswith("gate_up_proj.weight")]:
        inner = len(state[name]) // 2
        state[name][inner + 3 : inner + 6] *= factor
        state[name.replace("gate_up", "down")][:, 3:6] /= factor
    for name in [
        name for name in state if name.startswith("decoder") and name.endswith("cross_attention.v_proj.weight")
    ]:
        state[name][5] *= factor
        state[name.replace("v_proj", "o_proj")][:, 5] /= factor


def calibrated(
    folder: Path, state: tiny_dia.State, config: dict[str, Any] = SMALL, most: str = "torch"
) -> dict[str, Any]:
    """What comes of `state`, written to `folder`/int8."""
    source = tiny_dia.write_transformers(folder / "weights", config, state)
    return calibrate(source, folder / "int8", lambda _stage: None, FRAMES, most)


def test_weights_without_outliers_are_allowed_as_they_are(tmp_path: Path) -> None:
    """int8 loses more than bf16, and not much; what is told is in the file; nothing but the head is kept."""
    told = calibrated(tmp_path, tiny_dia.make_state(SMALL))
    assert told["allowed"]
    assert 0 < told["bf16"]["error"] < told["int8"]["error"] < FACTOR * told["bf16"]["error"]
    assert 0 < told["bf16"]["divergence"] < told["int8"]["divergence"]
    assert 0.9 < told["int8"]["agreement"] < 1
    assert told["kept"] == ["logits_dense.weight"]
    assert told["kept_share"] == 0
    assert tuple(told["kinds"]) == packed.KINDS
    for kind, found in told["kinds"].items():
        assert 0 < found["error"] < MOST_ERROR, kind
        assert 1 < found["outliers"] < 20
        assert found["kept"] == (kind == "logits")
    assert [found["products"] for found in told["kinds"].values()] == [4, 2, 2, 2, 2, 2, 2, 2, 1]
    metadata = packed_metadata(tmp_path / "int8")
    assert metadata is not None
    assert json.loads(metadata["told"]) == {"calibration": told}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["norms", "inside"])
def test_outliers_that_can_be_moved_are_mended(where: str, tmp_path: Path) -> None:
    """Plain int8 fails; with scales it passes, without a product in bf16, and what is written is what was measured."""
    state = tiny_dia.make_state(SMALL)
    if where == "norms":
        outliers_in_norms(state, 60.0, undone=True)
    else:
        outliers_inside(state, 200.0)
    told = calibrated(tmp_path, state)
    plain, made, bf16 = (Loss(**told[key]) for key in ("unmended", "int8", "bf16"))
    assert not allowed(plain, bf16)
    assert allowed(made, bf16)
    assert told["allowed"]
    assert made.error < plain.error / 4
    assert made.divergence < plain.divergence / 4
    assert told["kept_share"] == 0
    assert told["mends"]
    worst = max(told["kinds"].values(), key=lambda found: found["outliers"])
    assert worst["mended"]
    assert worst["outliers_left"] < worst["outliers"] / 4
    exact = Model(PARSED, dict(state))
    spoken = speak(exact, FOR_ERRORS[:2], FRAMES, "weights")
    right = [follow(exact, text) for text in spoken]
    written = packed.load(tmp_path / "int8", PARSED)
    plainly = packed.quantize(state_in_order(state).items())
    losses = [compare([follow(as_int8(made), text) for text in spoken], right) for made in (written, plainly)]
    assert losses[0].error < losses[1].error / 4


def state_in_order(state: tiny_dia.State) -> tiny_dia.State:
    """As weights are read from files: those of one layer in a row."""
    return {name: state[name] for name in expected_shapes(PARSED)}


def as_int8(state: packed.State) -> Model:
    """The network of packed weights."""
    return Model(PARSED, dict(state), partial(product, tier=None))


def test_products_stay_bf16_where_scales_are_not_enough(tmp_path: Path) -> None:
    """Attention that is near to choosing one place magnifies every error; the fewest that help are kept."""
    state = tiny_dia.make_state(SMALL)
    outliers_in_norms(state, 18.0, undone=False)
    told = calibrated(tmp_path, state)
    losses = {key: Loss(**told[key]) for key in ("bf16", "unmended", "mended", "int8")}
    assert [allowed(loss, losses["bf16"]) for loss in losses.values()] == [True, False, False, True]
    assert losses["unmended"].error > losses["mended"].error > losses["int8"].error
    assert told["allowed"]
    assert 0 < told["kept_share"] < MOST_KEPT
    assert sum(found["kept"] for found in told["kinds"].values()) == len(told["kept"]) > 1
    written = packed.load(tmp_path / "int8", PARSED)
    for name in filter(packed.kind, written):
        assert isinstance(written[name], Int8Weight) == (name not in told["kept"]), name


def test_int8_is_refused_where_even_that_is_not_enough(tmp_path: Path) -> None:
    """As much is kept as may be; what is written is nearer than all in int8."""
    state = tiny_dia.make_state(SMALL)
    outliers_in_norms(state, 30.0, undone=False)
    told = calibrated(tmp_path, state)
    assert not told["allowed"]
    assert MOST_KEPT / 2 < told["kept_share"] <= MOST_KEPT
    assert MOST_ERROR < told["int8"]["error"] < told["unmended"]["error"]
    assert packed.load(tmp_path / "int8", PARSED)


def test_a_network_without_finite_numbers_is_refused(tmp_path: Path) -> None:
    state = tiny_dia.make_state(SMALL)
    state["decoder.norm.weight"][3] = torch.nan
    with pytest.raises(EngineError, match="weights: cannot speak in fp32: the network gave no finite numbers"):
        calibrated(tmp_path, state)


def test_following_is_what_was_drawn_from() -> None:
    """The rows of a take read at once give what its codes were drawn from one by one."""
    model = dia_fixtures.tiny()
    spoken = speak(model, FOR_ERRORS[:3], 20, "weights")
    for text in spoken:
        outputs = follow(model, text)
        assert len(outputs.scores) == int(text.drawn.sum())
        following = torch.cat([text.rows[1:], text.rows[-1:]])
        places = text.drawn.clone()
        places[-1] = False
        drawn = following[places]
        likely = outputs.likely[places[text.drawn]]
        torch.testing.assert_close(likely.sum(-1), torch.ones(len(drawn)))
        assert (likely.gather(1, drawn[:, None]) > 0).all()


def outputs(scores: list[list[float]], likely: list[list[float]]) -> Outputs:
    return Outputs(torch.tensor(scores), torch.tensor(likely))


def test_losses_by_hand() -> None:
    """Nothing where both are the same; finite where what was likely can no longer be drawn."""
    right = outputs([[3.0, -1.0, -2.0], [0.0, 2.0, -2.0]], [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])
    assert compare([right], [right]) == Loss(0.0, 1.0, 0.0)
    other = outputs([[3.0, -1.0, -2.0], [2.0, 0.0, -2.0]], [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    found = compare([other], [right])
    assert found.error == pytest.approx((8 / 22) ** 0.5)
    assert found.agreement == 0.5
    assert found.divergence == pytest.approx(torch.tensor(100.0).log().item() / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "bf16", "wanted"),
    [
        (Loss(0.032, 0.95, 0.07), Loss(0.007, 0.98, 0.03), True),
        (Loss(0.99, 0.08, 3.0), Loss(0.29, 0.63, 0.55), False),
        (Loss(FACTOR * 0.01, 0.9, 0.1), Loss(0.01, 0.98, 0.03), True),
        (Loss(FACTOR * 0.0101, 0.9, 0.1), Loss(0.01, 0.98, 0.03), False),
        (Loss(0.03, 0.9, 0.031 * FACTOR), Loss(0.01, 0.98, 0.03), False),
        (Loss(0.03, 0.99, NEGLIGIBLE), Loss(0.01, 1.0, 0.0), True),
        (Loss(MOST_ERROR * 1.01, 0.8, 0.1), Loss(0.05, 0.9, 0.1), False),
    ],
)
def test_what_is_allowed(loss: Loss, bf16: Loss, wanted: bool) -> None:
    """So much of what bf16 loses, in error and in divergence; never more than an error of so much."""
    assert allowed(loss, bf16) is wanted


TORCH = {"PODCAST_KERNELS": "torch"}


@pytest.mark.slow
def test_the_command_writes_a_folder_and_tells_machines(tmp_path: Path) -> None:
    """A second time into the same folder is refused at once, and so are weights that are int8 already."""
    tiny_dia.write_transformers(tmp_path / "weights", SMALL, tiny_dia.make_state(SMALL))
    calibrated = ("weights", "calibrate", "--frames", "2", "--json")
    made = run_podcast(*calibrated, "weights", "int8", cwd=tmp_path, env=TORCH)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["allowed"], told["texts"], told["frames"]) == (True, len(FOR_ERRORS), 2)
    assert "int8 in down alone" in made.stderr.splitlines()
    assert packed.load(tmp_path / "int8", read_config(tmp_path / "int8"))
    for source, folder, said in (("weights", "int8", "exists already"), ("int8", "other", "holds int8 weights")):
        refused = run_podcast(*calibrated, source, folder, cwd=tmp_path, env=TORCH)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert refused.stdout == ""
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_the_command_tells_people_and_what_to_do_where_int8_is_refused(tmp_path: Path) -> None:
    """A line for each kind, and the verdict; the folder is there, for who asks for int8."""
    state = tiny_dia.make_state(SMALL)
    outliers_in_norms(state, 100.0, undone=False)
    tiny_dia.write_transformers(tmp_path / "weights", SMALL, state)
    refused = run_podcast("weights", "calibrate", "weights", "int8", "--frames=8", cwd=tmp_path, env=TORCH)
    assert refused.returncode == 1, refused.stderr
    assert "set precision: int8 and listen" in refused.stderr
    names = [line.split("  ")[0] for line in refused.stdout.splitlines()]
    assert [f"int8 in {kind}" for kind in packed.KINDS] == names[2 : 2 + len(packed.KINDS)]
    assert names[-4:-1] == ["int8 as it comes", "int8 with scales", "int8 as it is written"]
    assert refused.stdout.rstrip().endswith("it is not allowed.")
    assert packed.load(tmp_path / "int8", PARSED)


@pytest.mark.slow
def test_keys_and_values_are_measured_as_kernels_keep_them(tmp_path: Path) -> None:
    """Where there are kernels: attention over int8 costs less than the products in int8, and more than nothing."""
    heads = {"head_dim": 32, "cross_head_dim": 32}
    config = copy.deepcopy(SMALL)
    config["decoder_config"] |= heads
    told = calibrated(tmp_path, tiny_dia.make_state(config), config, most="plain")
    if told["attention"] is None:
        pytest.skip("no kernels here")
    assert told["allowed"]
    assert told["bf16"]["error"] < told["attention"]["error"] < told["int8"]["error"]
