"""Decisions: what stands in their file, and what is told of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.decisions import Decision, decisions_file, decisions_in, fold, load_decisions, read_lines
from pipeline.source.documents import read_yaml

TAKE = "0123456789abcdef" * 2

WHOLE = f"""\
# of the first night
- words: "Yes."
  voices: [ada]
  before: "“Will  you?”"
  after: he said
  approve: {TAKE}.flac
  speech: {TAKE}
  performance: 2
  by: Ann   # who hears well
  on: 2026-12-01

- {{words: No., voices: [ada], retake: 2, seed: 7, voice: ben, note: no}}
- words: >
    Well,
    then.
  voices:
    - ada
  takes: 3
"""


def test_what_a_file_of_decisions_says(tmp_path: Path) -> None:
    path = decisions_file(tmp_path / "job.yaml")
    assert (path.name, load_decisions(path)) == ("job.decisions.yaml", ((), []))
    path.write_text(WHOLE, encoding="utf-8")
    (yes, no, well), problems = load_decisions(path)
    assert problems == []
    assert yes == Decision(
        1,
        f"{path}:2",
        "Yes.",
        ("ada",),
        "“Will you?”",
        "he said",
        approve=f"{TAKE}.flac",
        speech=TAKE,
        performance=2,
        by="Ann",
        on="2026-12-01",
    )
    assert (no.number, no.where, no.voices, no.retake, no.seed, no.voice) == (
        2,
        f"{path}:12",
        ("ada",),
        2,
        7,
        "ben",
    )
    assert (well.words, well.takes, well.before, well.after) == ("Well, then.", 3, "", "")
    assert [one.kind for one in (yes, no, well)] == ["approve", "retake", "takes"]


WRONG = {
    f"approve: {TAKE}.flac, retake: 1": '"approve" and "retake" cannot both be decided of a take.',
    f"approve: {TAKE}.flac, takes: 2": '"approve" and "takes" cannot both be decided of a take.',
    "note: x": "nothing is decided of it.",
    "approve: ../../take.flac": '"../../take.flac" is no file of a take.',
    f"approve: {TAKE}": f'"{TAKE}" is no file of a take.',
    "retake: 0": '"retake" is no whole number of 1 or more.',
    "retake: many": '"retake" is no whole number of 1 or more.',
    f"takes: {'9' * 5000}": '"takes" is no whole number from 1 to 20.',
    "takes: 21": '"takes" is no whole number from 1 to 20.',
    "retake: 1, seed: -1": '"seed" is no whole number of 0 or more.',
    "takes: 2, voice: b": '"voice" belongs to "retake" and "approve", and this is "takes".',
    "retake: 1, voice: b, voices: [b, c]": "these words have several speakers. Give the voice in the script",
    "takes: 2, seed: 1": '"seed" belongs to "retake", and this is "takes".',
    f"retake: 1, speech: {TAKE}": '"speech" belongs to "approve", and this is "retake".',
    f"approve: {TAKE}.flac, speech: x": '"speech" is no hash of a take.'.replace('"speech"', '"x"'),
    "takes: 2, aprove: x": 'unknown key "aprove". Did you mean "approve"?',
    "takes: [2]": '"takes" is no text.',
}


@pytest.mark.parametrize("entry", WRONG)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "job.decisions.yaml"
    voices = "" if "voices:" in entry else "voices: [b], "
    path.write_text(f"- {{words: a, voices: [b], takes: 2}}\n- {{words: a, {voices}{entry}}}\n")
    (decision,), (problem,) = load_decisions(path)
    assert decision.number == 1
    assert str(problem).startswith(f"{path}:2: {WRONG[entry]}")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "job.decisions.yaml"
    path.write_text(
        "- words: a\n  takes: 2\n- words: ''\n  voices: [a]\n  retake: x\n- yes\n- words: a\n  voices: a\n  takes: 2\n"
    )
    decisions, problems = load_decisions(path)
    assert decisions == ()
    assert [str(problem).removeprefix(f"{path}:").split(". ")[0] for problem in problems] == [
        '1: there are no "voices"',
        '5: "retake" is no whole number of 1 or more',
        '3: there are no "words"',
        "6: this is no decision",
        '8: there are no "voices"',
    ]


def test_what_is_no_file_of_decisions_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe, a link to nowhere or outside, bytes, a mapping; an empty one holds none."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "job.decisions.yaml"
    for text in ("", "# later\n", "---\n", "[]", "~"):
        path.write_text(text)
        assert load_decisions(path) == ((), [])
    for data, what in (
        (b"\x00\x01\xff" * 99, "not UTF-8"),
        (b"- words: 'a\n", "a quote is opened"),
        (b"words: a\n", "this is no list of decisions"),
        (b"- words: a\n  words: b\n", "stands here twice"),
        (b"- &a [b]\n- *a\n", "an alias"),
        (b"- " * 5000, "nested too deep"),
    ):
        path.write_bytes(data)
        with pytest.raises(RequestError, match=what):
            load_decisions(path)
    path.rename(tmp_path / "other.yaml")
    path.symlink_to(tmp_path / "other.yaml")
    with pytest.raises(RequestError, match=r"outside the manifest's folder\. Move the file there, or allow it"):
        load_decisions(path)
    (tmp_path / "other.yaml").write_text("[]")
    assert load_decisions(path, allow_outside=True) == ((), [])
    link, folder, pipe = (tmp_path / f"{name}.decisions.yaml" for name in ("link", "folder", "pipe"))
    link.symlink_to("nowhere")
    folder.mkdir()
    os.mkfifo(pipe)
    for odd in (link, folder, pipe):
        with pytest.raises(RequestError, match="the decisions are no file"):
            load_decisions(odd)


LINES = st.lists(
    st.one_of(
        st.builds(
            "{}{}: {}{}".format,
            st.sampled_from(["- ", "  "]),
            st.sampled_from(["words", "voices", "by", "y", "null"]),
            st.sampled_from(
                [
                    *(
                        '"a"',
                        '""',
                        '"\\""',
                        '"\\u200f"',
                        '"\\u0007"',
                        '"\\ud83d"',
                        '"\\ud83d\\ude00"',
                        '"é#"',
                        '"a',
                        "'a'",
                    ),
                    *("a b", "1.5", "null", "~", "2026-12-01", "a: b", "0x1", "no", "a#b", '"\t"', "-", "a-", "a."),
                    *('["a", "b"]', "[a]"),
                ]
            ),
            st.sampled_from(
                ["", " # x", "#x", " ", ' "'],
            ),
        ),
        st.sampled_from(["", "# x", "  # x", "---", "...", "\t", "  ", "[]"]),
    ),
    max_size=6,
)


@given(LINES)
@example(['- words: "\\ud83d"'])
def test_simple_lines_are_read_as_yaml_reads_them(lines: list[str]) -> None:
    """Without PyYAML, and the same; whatever is not that simple is left to it."""
    text = "\n".join(lines)
    simple = read_lines(text, "f")
    if simple is None:
        return
    located = read_yaml(text, "f")
    assert (simple[0].data, simple[0].lines) == (located.data, {k: v for k, v in located.lines.items() if len(k) < 3})
    assert len(simple[1]) == len(located.data or [])
    for (start, end), _entry in zip(simple[1], located.data or [], strict=True):
        assert len(decisions_in(text[start:end], "f")[0] or decisions_in(text[start:end], "f")[1]) > 0


@given(st.text())
def test_folded_text_has_single_spaces_and_nothing_that_yaml_refuses(text: str) -> None:
    folded = fold(text)
    assert folded.split() == [word for word in folded.split(" ") if word]
    assert fold(folded) == folded
    folded.encode()
