"""The delay pattern: where each code of a prompt stands, and how the codes of a take are found again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.engines.dia.batching.delay import FREE, Codes, delayed, undelayed

BOS = 1026
DIA = (0, 8, 9, 10, 11, 12, 13, 14, 15)

delay_patterns = st.just(DIA) | st.lists(st.integers(0, 20), max_size=8).map(lambda others: (0, *others))


@st.composite
def prompts(draw: st.DrawFn, least: int = 0) -> tuple[Codes, tuple[int, ...]]:
    """Codes `[P, C]` and a delay for each codebook."""
    delays = draw(delay_patterns)
    frames = draw(st.integers(least, 30))
    return draw(arrays(np.int16, (frames, len(delays)), elements=st.integers(0, 1023))), delays


def expected(prompt: Codes, delays: Sequence[int], row: int, codebook: int) -> int:
    """What must stand in one cell."""
    frame = row - 1 - delays[codebook]
    if frame < 0:
        return BOS
    return int(prompt[frame, codebook]) if frame < len(prompt) else FREE


@given(prompts(), st.integers(1, 60))
def test_every_cell_is_bos_a_code_of_the_prompt_or_free(pair: tuple[Codes, tuple[int, ...]], rows: int) -> None:
    """However many rows there are, even too few for the prompt; the prompt itself is left alone."""
    prompt, delays = pair
    before = prompt.copy()
    grid = delayed(prompt, delays, BOS, rows)
    cells = [[expected(prompt, delays, row, codebook) for codebook in range(len(delays))] for row in range(rows)]
    assert grid.dtype == np.int64
    np.testing.assert_array_equal(grid, cells)
    np.testing.assert_array_equal(prompt, before)


@given(prompts(), st.integers(0, 20))
def test_a_prompt_that_is_delayed_is_found_again(pair: tuple[Codes, tuple[int, ...]], more: int) -> None:
    """In as many rows as it needs, or more."""
    prompt, delays = pair
    rows = 1 + len(prompt) + max(delays) + more
    found = undelayed(delayed(prompt, delays, BOS, rows), delays, 0, len(prompt))
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, prompt)


@given(prompts(least=1), st.data())
def test_any_frames_of_it_are_found(pair: tuple[Codes, tuple[int, ...]], data: st.DataObject) -> None:
    """From any frame on, also none."""
    prompt, delays = pair
    first = data.draw(st.integers(0, len(prompt)))
    frames = data.draw(st.integers(0, len(prompt) - first))
    grid = delayed(prompt, delays, BOS, 1 + len(prompt) + max(delays))
    np.testing.assert_array_equal(undelayed(grid, delays, first, frames), prompt[first : first + frames])


@given(prompts(least=1), st.integers(0, 30))
def test_a_take_goes_on_where_its_prompt_ends(pair: tuple[Codes, tuple[int, ...]], given_frames: int) -> None:
    """The free cells, filled with what would stand there, are the frames after the prompt."""
    whole, delays = pair
    given_frames = min(given_frames, len(whole))
    rows = 1 + len(whole) + max(delays)
    full = delayed(whole, delays, BOS, rows)
    grid = delayed(whole[:given_frames], delays, BOS, rows)
    assert ((grid == full) | (grid == FREE)).all()
    grid[grid == FREE] = full[grid == FREE]
    np.testing.assert_array_equal(
        undelayed(grid, delays, given_frames, len(whole) - given_frames), whole[given_frames:]
    )


def test_the_pattern_of_dia() -> None:
    """By hand: two frames, of which frame 0 stands in row 1 of the first codebook and in row 16 of the last."""
    prompt = np.array([[*range(9)], [*range(100, 109)]], np.int16)
    grid = delayed(prompt, DIA, BOS, 20)
    assert grid[:4, 0].tolist() == [BOS, 0, 100, FREE]
    assert grid[8:12, 1].tolist() == [BOS, 1, 101, FREE]
    assert grid[15:19, 8].tolist() == [BOS, 8, 108, FREE]
    assert (grid == BOS).sum() == sum(delay + 1 for delay in DIA)
    assert (grid == FREE).sum() == 20 * 9 - sum(delay + 1 for delay in DIA) - 2 * 9
