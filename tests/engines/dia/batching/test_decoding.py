"""A request while it is decoded: which rows the network reads, where a take ends, and for how long it is guided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.engines.dia.batching.delay import delayed
from tests.support.dia_fixtures import CONFIG, LAST, UNGUIDED, UNREAD, USUAL, Watched, eager, equal, requests, run, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("eos_bias", [0.0, 2.0], ids=["cut off", "ending by itself"])
def test_the_network_reads_the_prompt_and_what_it_made_of_it(eos_bias: float) -> None:
    """In every row: BOS up to each delay, the prompt as it is, the take, EOS, then PAD; also without the text."""
    wanted = requests(6, longest=40)
    model = Watched(eos_bias=eos_bias)
    made = run(model, wanted, 6)
    capped = [len(made[request.key].codes) == request.max_frames for request in wanted]
    assert all(capped) if eos_bias == 0 else not all(capped)
    for request in wanted:
        whole = np.concatenate([request.prompt, made[request.key].codes])
        grid = delayed(whole, CONFIG.delays, CONFIG.bos, len(whole) + LAST)
        for codebook, delay in enumerate(CONFIG.delays):
            grid[1 + len(whole) + delay :, codebook] = CONFIG.pad
            grid[1 + len(whole) + delay : 2 + len(whole) + delay, codebook] = CONFIG.eos
        name = bytes(request.text.tolist())
        np.testing.assert_array_equal(torch.cat(model.read_by[name]), grid)
        np.testing.assert_array_equal(torch.cat(model.read_by[name + UNREAD]), grid[len(request.prompt) :])


def test_a_take_that_is_cut_off_is_the_beginning_of_a_longer_one() -> None:
    """The delayed codebooks lack as many frames as they are delayed; one that ended by itself is not changed at all."""
    wanted = requests(6)
    made = run(tiny(), wanted, 6)
    longer = run(tiny(), [replace(request, max_frames=60) for request in wanted], 6)
    ended = 0
    for request in wanted:
        codes, more = made[request.key].codes, longer[request.key].codes
        if len(codes) < request.max_frames:
            np.testing.assert_array_equal(more, codes)
            ended += 1
        for codebook, delay in enumerate(CONFIG.delays):
            sure = max(len(codes) - delay, 0)
            np.testing.assert_array_equal(more[:sure, codebook], codes[:sure, codebook])
    assert 0 < ended < 6


def test_a_take_may_fill_all_positions() -> None:
    """Prompt, frames, delays and EOS: one row for each position there is."""
    (request,) = requests(1, prompts=[20])
    room = CONFIG.decoder.max_positions - 20 - LAST - 2
    (made,) = eager(tiny(eos_bias=0.0), USUAL, 1).generate([replace(request, max_frames=room)])
    assert made.codes.shape == (room, 9)


def test_an_end_at_once_is_an_empty_take() -> None:
    """No error: what to make of it is for others to say."""
    (made,) = eager(tiny(eos_bias=60.0), USUAL, 1).generate(requests(1, prompts=[20]))
    assert made.codes.shape == (0, 9)
    assert made.reason == ""


# Guidance


def test_guidance_for_longer_than_the_take_is_guidance() -> None:
    """The last codebook's last code is drawn as many steps after the first's as it is delayed."""
    wanted = requests(6, longest=12)
    assert equal(run(tiny(), wanted, 4, cfg_frames=12 + LAST), run(tiny(), wanted, 4))


@pytest.mark.parametrize("cfg_frames", [1, 2, 7])
def test_guidance_is_left_out_after_so_many_frames(cfg_frames: int) -> None:
    """Each take has two lanes for as many steps, then one; what was drawn before is as with guidance."""
    wanted = requests(4, longest=20, prompts=[0, 5])
    model = Watched(eos_bias=0.0)
    made, guided = run(model, wanted, 4, cfg_frames=cfg_frames), run(tiny(eos_bias=0.0), wanted, 4)
    different = 0
    for request in wanted:
        name = bytes(request.text.tolist())
        assert len(model.logits_of[name]) == request.max_frames + LAST
        assert len(model.logits_of[name + UNREAD]) == min(cfg_frames, request.max_frames + LAST)
        codes, expected = made[request.key].codes, guided[request.key].codes
        np.testing.assert_array_equal(codes[:cfg_frames, 0], expected[:cfg_frames, 0])
        different += not np.array_equal(codes, expected)
    assert different


def test_without_guidance_there_is_one_lane() -> None:
    """Scale 0: nothing is read or kept without a text."""
    model = Watched()
    run(model, requests(5, longest=10), 3, UNGUIDED)
    assert model.calls["lane"] == 5
    assert not [name for name in model.read_by if name.endswith(UNREAD)]
