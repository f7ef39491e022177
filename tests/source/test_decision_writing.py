"""Decision writing: what is added stands there, and whatever people wrote stays."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError, StorageError
from pipeline.source.decision_writing import add_decisions
from pipeline.source.decisions import Decision, fold, load_decisions

TAKE = "0123456789abcdef" * 2
YES = Decision(0, "", "Yes.", ("ada",), "he said", "and went", approve=f"{TAKE}.flac", by="Ann")

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            *(
                '"',
                "'",
                ": #",
                "---",
                "- a: b",
                "a\n\nb",
                "\t",
                "\u200f\u202eabc",
                "\ufeff",
                "\\u0041",
                "null",
                "~",
                "é",
            ),
            *("\U0001f468\u200d\U0001f469", "\x85\u2028\u2029", "\ufffe\uffff", "\x00\x1b[31m", "\ud800", "\U000e0001"),
            *("{a: [b]}", "%TAG", "x" * 3000),
        ]
    ),
)
WORDS = HOSTILE.filter(lambda text: bool(fold(text)))
DECISIONS = st.one_of(
    [
        st.builds(
            Decision,
            number=st.just(0),
            where=st.just(""),
            words=WORDS,
            voices=st.lists(WORDS, min_size=1, max_size=3).map(tuple),
            before=HOSTILE,
            after=HOSTILE,
            by=HOSTILE,
            note=HOSTILE,
            on=HOSTILE,
            **decided,
        )
        for decided in (
            {
                "approve": st.just(f"{TAKE}.flac"),
                "voice": st.none() | WORDS,
                "speech": st.just(TAKE),
                "performance": st.integers(0, 9),
            },
            {"retake": st.integers(1, 99), "seed": st.none() | st.integers(0, 2**63 - 1), "voice": st.none() | WORDS},
            {"takes": st.integers(1, 20)},
        )
    ]
).map(lambda one: one if len(one.voices) == 1 else replace(one, voice=None))  # none speaks for several


@given(st.lists(DECISIONS, max_size=4), st.lists(DECISIONS, max_size=2))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, first: list[Decision], second: list[Decision]
) -> None:
    """Any text, in one call or in two; what was there is as it was."""
    path = tmp_path_factory.mktemp("d") / "job.decisions.yaml"
    add_decisions(path, first)
    decisions, problems = load_decisions(path)
    before = {one.content for one in decisions}
    assert problems == []
    assert {one.content for one in first} >= before
    add_decisions(path, second)
    decisions, problems = load_decisions(path)
    assert problems == []
    assert {one.content for one in second} >= {one.content for one in decisions} - before
    assert len(decisions) <= len(first) + len(second)
    if len({one.words for one in (*first, *second)}) == len(first) + len(second):
        assert [one.content for one in decisions] == [one.content for one in (*first, *second)]


ODD_FILES = [
    "",
    "# only a comment",
    "\n\n---\n# a\n",
    '# top\n- words: "a"  # one\n  voices: ["x"]\n  takes: 2  # two\n# end',
    "- {words: a, # in\n   voices: [x], takes: 2} # two\n\n# between\n- words: |  # bar\n    b\n"
    "    c\n  voices:\n  - y # y\n  takes: 3",
    "---\n   # indented\n   - words: 'a #no'\n     voices: [x]\n     takes: 2\n   # last\n...\n# after",
    "-\n  words: a\n  voices: [x]\n  takes: 2\n-  # odd\n  words: >-\n    d\n\n    e\n  voices: [x]\n  takes: 1\n",
    "- words: a\r\n  voices: [x]\r\n  takes: 2\r\n",
]


@pytest.mark.parametrize("text", ODD_FILES)
def test_what_people_wrote_stays(tmp_path: Path, text: str) -> None:
    """All comments and entries, in their order; also where one of the entries is replaced, or taken out."""
    path = tmp_path / "job.decisions.yaml"
    path.write_bytes(text.encode())
    old, _problems = load_decisions(path)
    comments = re.findall(r"# \w+", text)
    new = [replace(one, takes=9) for one in old]
    add_decisions(path, [YES])
    assert path.read_bytes().startswith(text.rstrip().removesuffix("# after").rstrip().removesuffix("...").encode())
    assert [one.content for one in load_decisions(path)[0]] == [*(one.content for one in old), YES.content]
    add_decisions(path, [*new[:1], replace(YES, approve=None, retake=1)], instead=old[1:])
    assert [(one.words, one.kind, one.takes) for one in load_decisions(path)[0]] == [
        *((one.words, "takes", 9) for one in new[:1]),
        ("Yes.", "retake", 0),
    ]
    added = path.read_bytes().decode()
    assert re.findall(r"# \w+", added.removeprefix("# What people decided of takes. `podcast` reads it")) == comments
    assert ("\r\n" in text) == ("\r\n" in added)


def test_one_person_has_one_decision_of_a_take(tmp_path: Path) -> None:
    """What stands or is to be taken again is one thing, how many there are is another; others decide for themselves."""
    path = tmp_path / "job.decisions.yaml"
    retake, takes = replace(YES, approve=None, retake=1), replace(YES, approve=None, takes=3)
    ben, elsewhere = replace(YES, by="Ben"), replace(YES, after="and came")
    for step, decided in (
        ([YES], ["approve"]),
        ([retake], ["retake"]),
        ([takes], ["retake", "takes"]),
        ([YES], ["approve", "takes"]),
        ([ben, elsewhere], ["approve", "takes", "approve", "approve"]),
        ([replace(retake, by="Ben"), replace(takes, takes=4)], ["approve", "takes", "retake", "approve"]),
    ):
        add_decisions(path, step)
        assert [one.kind for one in load_decisions(path)[0]] == decided
    text = path.read_text()
    add_decisions(path, [YES], instead=[replace(YES, words="Others.")])
    assert path.read_text() == text


def test_nothing_is_written_where_something_would_be_lost(tmp_path: Path) -> None:
    """Damage, wrong entries, a list in brackets, a link to outside, a file where its folder should be."""
    path = tmp_path / "in" / "job.decisions.yaml"
    path.parent.mkdir()
    for text, what in (
        ("- words: a\n", 'there are no "voices"'),
        ("- words: 'a\n", "a quote is opened"),
        ("[{words: a, voices: [b], takes: 1}]", "in a way that nothing can be added to"),
        ("words: a\n", "no list of decisions"),
    ):
        path.write_text(text)
        with pytest.raises(RequestError, match=what):
            add_decisions(path, [YES])
        assert path.read_text() == text
    path.rename(tmp_path / "other.yaml")
    path.symlink_to(tmp_path / "other.yaml")
    with pytest.raises(RequestError, match="outside"):
        add_decisions(path, [YES])
    (tmp_path / "other.yaml").write_text("")
    add_decisions(path, [YES], allow_outside=True)
    assert path.is_symlink()
    assert "Yes." in (tmp_path / "other.yaml").read_text()
    with pytest.raises(StorageError):
        add_decisions(tmp_path / "other.yaml" / "job.decisions.yaml", [YES])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


_ADD = """
import sys
from pathlib import Path
from pipeline.source.decision_writing import add_decisions
from pipeline.source.decisions import Decision
path, who = Path(sys.argv[1]), sys.argv[2]
for number in range(25):
    add_decisions(path, [Decision(0, "", f"{who} {number}", (who,), takes=1)])
    add_decisions(path, [Decision(0, "", f"{who} {number}", (who,), takes=2)])
"""


def test_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "job.decisions.yaml"
    processes = [subprocess.Popen([sys.executable, "-c", _ADD, str(path), who]) for who in ("a", "b", "c")]
    assert [process.wait() for process in processes] == [0, 0, 0]
    decisions, problems = load_decisions(path)
    assert problems == []
    assert sorted((one.words, one.takes) for one in decisions) == sorted(
        (f"{who} {number}", 2) for who in "abc" for number in range(25)
    )
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
