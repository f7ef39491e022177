"""From logits to codes: guidance, the rules for special tokens, and the draw."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from pipeline.engines.dia.batching.sampling import Sampling, candidates, draw, sample, uniforms

EOS, PAD, VOCAB = 1024, 1025, 1028
USUAL = Sampling()
GREEDY = Sampling(temperature=0)
WIDE = Sampling(temperature=1.0, top_p=1.0, top_k=20)
V1 = Sampling(temperature=1.3, top_k=35, from_guided=True)
JUST_UNDER_1 = 1 - 2**-24

seeds = st.integers(0, 2**64 - 1)
samplings = st.builds(
    Sampling,
    cfg_scale=st.sampled_from([0.5, 3.0, 10.0]),
    temperature=st.sampled_from([0.0, 1e-60, 1e-9, 0.2, 1.2, 2.5]),
    top_p=st.sampled_from([1e-6, 0.5, 0.95, 1.0]),
    top_k=st.sampled_from([1, 2, 45, 1024]),
    from_guided=st.booleans(),
)


def logits(seed: int, rows: int = 2) -> Tensor:
    """Logits `[B, 9, V]` in which special tokens are often the likeliest, and often not."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    made = 3 * torch.randn(rows, 9, VOCAB, generator=generator)
    made[..., EOS:] += 12 * torch.randn(rows, 9, VOCAB - EOS, generator=generator)
    return made


def flat(*special: tuple[int, int, float]) -> Tensor:
    """Logits `[1, 9, V]`: 5.0 for token 3, 4.0 for token 4, else 0.0; `special` are codebook, token, logit."""
    made = torch.zeros(1, 9, VOCAB)
    made[..., 3], made[..., 4] = 5.0, 4.0
    for codebook, token, value in special:
        made[0, codebook, token] = value
    return made


def choices(scores: Tensor, codebook: int) -> list[int]:
    """The tokens that may be drawn."""
    return (scores[0, codebook] > -math.inf).nonzero().flatten().tolist()


def chances(scores: Tensor, sampling: Sampling) -> NDArray[np.float64]:
    """The probability `[V]` of each token by the definition: top-k, then the smallest set that exceeds top-p."""
    values = scores.double().numpy()
    order = np.argsort(-values, kind="stable")[: sampling.top_k]
    likely = np.exp((values[order] - values[order[0]]) / sampling.temperature)
    likely /= likely.sum()
    count = 1 + int((np.cumsum(likely)[:-1] < sampling.top_p).sum())
    made = np.zeros(len(values))
    made[order[:count]] = likely[:count] / likely[:count].sum()
    return made


def drawn_by(scores: Tensor, sampling: Sampling, uniform: Tensor) -> Tensor:
    """`draw` at the temperature of `sampling` in every row."""
    return draw(scores, sampling, uniform, torch.full((len(scores),), sampling.temperature))


# Uniform numbers


@given(seeds, st.integers(1, 40), st.integers(0, 40), st.integers(1, 9))
def test_the_numbers_of_a_take_depend_on_its_seed_alone(seed: int, steps: int, more: int, codebooks: int) -> None:
    """The same every time; and a take that may be longer begins with those of the shorter one."""
    found = uniforms(seed, steps, codebooks)
    assert found.shape == (steps, codebooks)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert (found < 1).all()
    np.testing.assert_array_equal(uniforms(seed, steps + more, codebooks)[:steps], found)


@given(seeds, seeds)
def test_another_seed_gives_other_numbers(seed: int, other: int) -> None:
    """All 64 bits of it count."""
    assert np.array_equal(uniforms(seed, 4, 9), uniforms(other, 4, 9)) == (seed == other)


def test_the_numbers_are_the_same_everywhere() -> None:
    """With every release of NumPy: otherwise an old take could not be made again."""
    whole = (uniforms(7, 2, 3) * 2**24).astype(int).tolist()
    assert whole == [[2746875, 14630964, 16311872], [4955408, 5270188, 7048069]]
    assert (uniforms(2**64 - 1, 1, 3) * 2**24).astype(int).tolist() == [[9297499, 3941665, 11408134]]


def test_the_numbers_are_spread_evenly() -> None:
    """In each codebook, and no two codebooks alike."""
    found = uniforms(0, 20_000, 9).astype(np.float64)
    histograms = np.stack([np.histogram(column, 20, (0, 1))[0] for column in found.T])
    assert ((histograms - 1000) ** 2 / 1000).sum(1).max() < 19 + 6 * math.sqrt(2 * 19)
    assert np.abs(np.corrcoef(found.T) - np.eye(9)).max() < 0.04


# The draw


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(top_k=12, top_p=1.0),
        Sampling(top_k=12, top_p=1.0, temperature=2.5),
        Sampling(top_k=5, top_p=1.0),
        Sampling(top_k=12, top_p=0.7),
    ],
    ids=["plain", "hot", "top-k", "top-p"],
)
def test_tokens_are_drawn_as_often_as_they_should_be(sampling: Sampling) -> None:
    """Chi-square over 100,000 draws, six standard deviations wide; what may not be drawn never is."""
    count = 100_000
    scores = torch.randn(12, generator=torch.Generator().manual_seed(1))
    drawn = drawn_by(scores.expand(count, 1, 12), sampling, torch.from_numpy(uniforms(5, count, 1)))
    found = np.bincount(drawn.flatten().numpy(), minlength=12)
    expected = count * chances(scores, sampling)
    possible = expected > 0
    freedom = possible.sum() - 1
    assert freedom >= 3
    assert not found[~possible].any()
    distance = ((found - expected)[possible] ** 2 / expected[possible]).sum()
    assert distance < freedom + 6 * math.sqrt(2 * freedom)


@given(seeds, samplings, st.integers(0, 2**24 - 1), st.integers(1, VOCAB))
def test_a_number_draws_the_token_it_falls_on(seed: int, sampling: Sampling, number: int, allowed: int) -> None:
    """Likeliest first, and nothing that is forbidden, has no probability, or was left out."""
    scores = logits(seed, rows=1)
    order = torch.randperm(VOCAB, generator=torch.Generator().manual_seed(seed % 2**63))
    scores[..., order[allowed:]] = -math.inf
    for uniform in (0.0, number / 2**24, JUST_UNDER_1):
        drawn = drawn_by(scores, sampling, torch.full((1, 9), uniform))[0]
        for codebook, token in enumerate(drawn.tolist()):
            row = scores[0, codebook]
            if uniform == 0 or sampling.temperature < 1e-6:
                assert token == row.argmax()
                continue
            likely = chances(row, sampling)
            before = likely[(row > row[token]).numpy()].sum()
            assert likely[token] > 0
            assert before - 1e-5 <= uniform <= before + likely[token] + 1e-5


def test_the_ends_of_the_scale() -> None:
    """0 draws the likeliest, just under 1 the least likely of those that are kept."""
    scores = torch.full((1, 1, 20), -math.inf)
    scores[0, 0, [7, 2, 11, 5]] = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    for sampling, last in ((WIDE, 5), (replace(WIDE, top_k=3), 11), (replace(WIDE, top_p=0.7), 2)):
        assert drawn_by(scores, sampling, torch.zeros(1, 1)).item() == 7
        assert drawn_by(scores, sampling, torch.full((1, 1), JUST_UNDER_1)).item() == last


def test_equal_chances_have_equal_parts_of_the_scale() -> None:
    """Each from its beginning on, without its end."""
    scores = torch.full((1, 1, 20), -math.inf)
    scores[0, 0, [7, 2, 11, 5]] = 1.0
    parts = [
        {drawn_by(scores, WIDE, torch.full((1, 1), number)).item() for number in (part / 4, part / 4 + 0.25 - 2**-24)}
        for part in range(4)
    ]
    assert all(len(part) == 1 for part in parts)
    assert set().union(*parts) == {7, 2, 11, 5}


@given(seeds, st.integers(0, 2**24 - 1), st.sampled_from([GREEDY, replace(USUAL, top_k=1), replace(USUAL, top_p=0.0)]))
def test_no_choice_is_the_likeliest(seed: int, number: int, sampling: Sampling) -> None:
    """Temperature 0, one candidate, or almost no probability to share: the number drawn is nothing to it."""
    scores = logits(seed)
    assert torch.equal(drawn_by(scores, sampling, torch.full((2, 9), number / 2**24)), scores.argmax(-1))


# Guidance and special tokens


def by_definition(cond: Tensor, uncond: Tensor | None, sampling: Sampling) -> Tensor:
    """`candidates`, one codebook of one row at a time."""
    made = torch.full_like(cond, -math.inf)
    for row, codebook in np.ndindex(*cond.shape[:2]):
        own = cond[row, codebook]
        guided = own if uncond is None else own + sampling.cfg_scale * (own - uncond[row, codebook])
        may = set(range(EOS + 1 if codebook == 0 else EOS))
        if sampling.from_guided:
            own = guided.clone()
            own[EOS] *= 0.8
        else:
            if uncond is not None:
                may = may & set(guided.topk(sampling.top_k).indices.tolist()) or may
            if codebook == 0:
                may = {EOS} if max(may, key=own.tolist().__getitem__) == EOS else may - {EOS}
        tokens = sorted(may)
        made[row, codebook, tokens] = own[tokens]
    return made


@given(seeds, samplings, st.booleans())
def test_candidates_are_what_the_definition_says(seed: int, sampling: Sampling, guidance: bool) -> None:
    """To the bit, with guidance and without; in any row the same as if it were the only one; logits are left alone."""
    cond, uncond = logits(seed), logits(seed + 1) if guidance else None
    before = cond.clone()
    found = candidates(cond, uncond, sampling, EOS)
    assert torch.equal(found, by_definition(cond, uncond, sampling))
    assert torch.equal(cond, before)
    single = candidates(cond[1:], None if uncond is None else uncond[1:], sampling, EOS)
    assert torch.equal(found[1:], single)


@given(seeds, samplings, st.booleans())
def test_special_tokens_are_never_drawn(seed: int, sampling: Sampling, guidance: bool) -> None:
    """But for EOS in the first codebook, however likely they are."""
    scores = candidates(logits(seed), logits(seed + 1) if guidance else None, sampling, EOS)
    for uniform in (0.0, 0.5, JUST_UNDER_1):
        drawn = drawn_by(scores, sampling, torch.full((2, 9), uniform))
        assert (drawn[:, 0] <= EOS).all()
        assert (drawn[:, 1:] < EOS).all()


@pytest.mark.parametrize("uncond", [None, flat()], ids=["without guidance", "with guidance"])
def test_eos_is_certain_where_it_is_the_likeliest(uncond: Tensor | None) -> None:
    """And impossible elsewhere, in the first codebook; what is above it in PAD or BOS does not count."""
    assert choices(candidates(flat((0, EOS, 5.1), (0, PAD, 90.0)), uncond, USUAL, EOS), 0) == [EOS]
    other = choices(candidates(flat((0, EOS, 4.9)), uncond, USUAL, EOS), 0)
    assert EOS not in other
    assert 3 in other


def test_guidance_chooses_and_the_text_decides() -> None:
    """The candidates are the highest of the guided logits, their values the conditional ones."""
    cond, uncond = flat(), flat((2, 3, 4.5), (2, 9, -3.0), (2, 4, 4.0))
    few = replace(USUAL, top_k=2)  # guided: token 9 has 9.0, token 3 has 6.5, token 4 has 4.0
    scores = candidates(cond, uncond, few, EOS)
    assert choices(scores, 2) == [3, 9]
    assert scores[0, 2, [3, 9]].tolist() == [5.0, 0.0]
    weak = candidates(cond, uncond, replace(few, cfg_scale=1.0), EOS)  # token 9 has 3.0, 3 has 5.5, 4 has 4.0
    assert choices(weak, 2) == [3, 4]
    assert drawn_by(scores, GREEDY, torch.zeros(1, 9))[0, 2] == 3


def test_guidance_that_chooses_only_what_is_forbidden_is_left_out() -> None:
    """With so few candidates that all of them are special, the conditional logits decide, as without guidance."""
    cond, uncond = flat(), flat((0, PAD, -9.0), (4, PAD, -9.0), (5, EOS, -9.0))
    scores = candidates(cond, uncond, replace(USUAL, top_k=1), EOS)
    without = candidates(cond, None, USUAL, EOS)
    for codebook in (0, 4, 5):
        assert torch.equal(scores[0, codebook], without[0, codebook])
    assert choices(scores, 1) == [3]


def test_eos_must_be_among_those_that_guidance_chose() -> None:
    """Where it is not, it is not certain even if it is the likeliest; where it is the only one, it is."""
    likely_end = flat((0, EOS, 6.0))
    against = flat((0, EOS, 20.0))
    assert EOS not in choices(candidates(likely_end, against, replace(USUAL, top_k=2), EOS), 0)
    for_it = flat((0, EOS, -20.0))
    assert choices(candidates(flat((0, EOS, 4.9)), for_it, replace(USUAL, top_k=1), EOS), 0) == [EOS]


def test_the_older_network_draws_from_the_guided_logits() -> None:
    """All allowed tokens are candidates, EOS with eight tenths of its logit, and no rule makes it certain."""
    scores = candidates(flat((0, EOS, 10.0)), flat((0, EOS, 10.0), (0, 3, 4.0)), V1, EOS)
    assert scores[0, 0, EOS].item() == pytest.approx(8.0)
    assert scores[0, 0, 3].item() == pytest.approx(8.0)  # 5 + 3 * (5 - 4)
    assert choices(scores, 0) == list(range(EOS + 1))
    assert choices(scores, 1) == list(range(EOS))
    unlikely = candidates(flat((0, EOS, -10.0)), None, V1, EOS)
    assert unlikely[0, 0, EOS].item() == pytest.approx(-8.0)


@given(seeds, samplings, st.booleans())
def test_drawing_among_the_candidates_is_drawing_among_all(seed: int, sampling: Sampling, guided: bool) -> None:
    """Token for token, with equal scores, with EOS likeliest or not, and with what may not be drawn among them."""
    cond, uncond = logits(seed, 3), logits(seed + 1, 3).round()
    if seed % 2:
        cond = cond.round()  # many are equal
    uniform = torch.rand(3, 9, generator=torch.Generator().manual_seed(seed % 2**63))
    other = uncond if guided else None
    expected = drawn_by(candidates(cond, other, sampling, EOS), sampling, uniform)
    found = sample(cond, other, sampling, EOS, uniform, torch.full((3,), sampling.temperature))
    chosen, wanted = (cond.gather(-1, tokens[..., None]) for tokens in (found, expected))
    assert torch.equal(chosen, wanted)  # of equal scores, which come in no order, either may be drawn


@given(seeds, samplings, st.booleans(), st.lists(st.sampled_from([0.0, 1e-9, 0.3, 1.2, 2.5]), min_size=3, max_size=3))
def test_each_row_is_drawn_at_its_own_temperature(
    seed: int, sampling: Sampling, guided: bool, temperatures: list[float]
) -> None:
    """To the token what it is alone; at 0 the likeliest of the candidates."""
    cond, uncond = logits(seed, 3), logits(seed + 1, 3)
    uniform = torch.rand(3, 9, generator=torch.Generator().manual_seed(seed % 2**63))
    found = sample(cond, uncond if guided else None, sampling, EOS, uniform, torch.tensor(temperatures))
    for row, temperature in enumerate(temperatures):
        own = slice(row, row + 1)
        other = uncond[own] if guided else None
        alone = sample(cond[own], other, sampling, EOS, uniform[own], torch.tensor([temperature]))
        assert torch.equal(found[own], alone)
        if temperature == 0:
            likeliest = candidates(cond[own], other, sampling, EOS).argmax(-1)
            assert torch.equal(found[own], likeliest)
