"""What is done about a bad take follows from its faults and from what was tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.limits import LIMITS
from pipeline.checks.verdicts import Finding
from pipeline.engines import REMEDIES, Remedy
from pipeline.takes.choices import JudgedAttempt
from pipeline.takes.retakes import Again, Policy, Split, Step, next_step

ALL = Policy(remedies=frozenset(REMEDIES))
COOL, COOLER = 0.96, 0.77


def attempts(*faults: str, remedies: tuple[str, ...] = ()) -> list[JudgedAttempt]:
    """An attempt of 10 s for each: `""` is good, `music@5` has music at 5 s, `failed` came to nothing."""
    tried = []
    for number, fault in enumerate(faults):
        remedy = ("first", *remedies, *["seed"] * 9)[number]
        if fault.startswith("failed"):
            tried.append(
                JudgedAttempt(number, remedy, str(number), failure="it failed.", final=fault == "failed for good")
            )
            continue
        checks = [one.partition("@") for one in fault.split("+") if one]
        findings = tuple(
            Finding(check, 2.0, 1.0, "bad", float(at) if at else None, "is bad") for check, _, at in checks
        )
        tried.append(JudgedAttempt(number, remedy, str(number), "hash", 10.0, {}, findings))
    return tried


@pytest.mark.parametrize(
    ("history", "step"),
    [
        ([""], None),
        (["clipped"], Again("seed")),
        (["failed"], Again("seed")),
        (["failed for good"], None),
        (["too_long"], Split(0.5)),
        (["too_short"], Split(0.5)),
        (["rate"], Split(0.5)),
        (["music@3"], Again("temperature", COOL)),
        (["noise@3"], Again("temperature", COOL)),
        (["drone@3"], Again("temperature", COOL)),
        (["too_long+runaway@8"], Again("temperature", COOL)),
        (["loop@4+rate"], Again("seed")),
        (["cut_end@9+music@2"], Again("temperature", COOL)),
        (["pitch"], Again("prompt")),
        (["inner_silence@4", "inner_silence@4.5"], Split(0.45)),
        (["inner_silence@2", "inner_silence@8"], Again("seed")),
        (["clipped", "clipped"], Again("seed")),
        (["clipped"] * 4, None),
        (["clipped", ""], None),
    ],
)
def test_the_next_step(history: list[str], step: Step | None) -> None:
    """By kind; the same fault twice at the same place is cut there."""
    assert next_step(attempts(*history), ALL, has_prompt=True) == step


def test_a_temperature_goes_down_step_by_step_and_what_stays_is_cut() -> None:
    """Elsewhere in the take it is another fault."""
    moved = attempts("music@2", "music@8", remedies=("temperature",))
    assert next_step(moved, ALL) == Again("temperature", COOLER)
    assert next_step(attempts("music@2", "music@2.5", remedies=("temperature",)), ALL) == Split(0.25)


def test_what_cannot_be_done_gives_way_to_what_can() -> None:
    """To another seed first, and to nothing where the engine always says the same."""
    assert next_step(attempts("pitch"), ALL) == Again("seed")
    assert next_step(attempts("too_long"), ALL, may_split=False) == Again("seed")
    split_only = Policy(remedies=frozenset({"split"}))
    assert next_step(attempts("clipped"), split_only) == Split(0.5)
    assert next_step(attempts("clipped"), split_only, may_split=False) is None


def test_alternatives_come_first_and_are_no_retakes() -> None:
    """As many as are wanted, whatever is heard in them; none where they would all be the same."""
    assert next_step(attempts(""), ALL, alternatives=3) == Again("seed")
    assert next_step(attempts("", "clipped", ""), ALL, alternatives=3) is None
    assert next_step(attempts(*["clipped"] * 5), ALL, alternatives=3) == Again("seed")
    assert next_step(attempts(*["clipped"] * 6), ALL, alternatives=3) is None
    assert next_step(attempts(""), Policy(remedies=frozenset({"split"})), alternatives=3) is None


@given(
    st.lists(st.lists(st.sampled_from(sorted(LIMITS)), max_size=3).map("+".join), min_size=1, max_size=8),
    st.sets(st.sampled_from(sorted(REMEDIES))),
    st.integers(0, 5),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
)
def test_a_step_keeps_to_the_budget_and_to_what_the_engine_can(
    faults: list[str], remedies: set[Remedy], budget: int, spent: int, may_split: bool, has_prompt: bool
) -> None:
    """And there is none once an attempt is good."""
    policy = Policy(budget, frozenset(remedies))
    step = next_step(attempts(*faults), policy, retakes=spent, may_split=may_split, has_prompt=has_prompt)
    if "" in faults or spent + len(faults) - 1 >= budget or not remedies:
        assert step is None
    if isinstance(step, Split):
        assert may_split
        assert "split" in remedies
    if isinstance(step, Again):
        assert step.remedy in remedies
        assert (step.temperature is not None) == (step.remedy == "temperature")
        assert has_prompt or step.remedy != "prompt"
