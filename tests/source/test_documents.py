from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.documents import read_any_text, read_text, read_yaml


def written(folder: Path, data: bytes) -> Path:
    path = folder / "script.md"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are_are_read(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "Grüße\r\nan\ralle 😀".encode(encoding))
    assert read_text(path, "s.md") == "Grüße\nan\nalle 😀"


def test_big_endian_utf16_is_read(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, b"\xfe\xff" + "né".encode("utf-16-be")), "s.md") == "né"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ("one\ntwo\ncafé".encode("latin-1"), "s.md:3"),
        ("one\n".encode("utf-16-le"), "s.md:1"),
        (b"\x89PNG\r\n\x1a\n\0\0", "s.md:1"),
        (b"a\nb\0", "s.md:2"),
        (b"\xff\xfea\0b", "s.md:1"),
    ],
)
def test_other_bytes_are_refused_with_their_line(tmp_path: Path, data: bytes, place: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_text(written(tmp_path, data), "s.md")
    (problem,) = caught.value.problems
    assert problem.where == place
    assert "UTF-8" in problem.next


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "dune.md").write_text("x")
    with pytest.raises(RequestError, match=r'Did you mean "dune\.md"'):
        read_text(tmp_path / "dun.md", "dun.md")


@pytest.mark.parametrize("name", ["", "no/such/folder.md", "nul\0.md", "x" * 5000])
def test_paths_that_cannot_be_read_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError):
        read_text(tmp_path / name, "s.md")


@given(st.binary())
def test_any_bytes_are_text_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), data)
    try:
        assert "\r" not in read_text(path, "s.md")
    except RequestError as error:
        assert error.problems


def test_scalars_stay_as_they_are_written() -> None:
    read = read_yaml('language: no\ntitle: 1984\nat: 12:30\nempty:\ntilde: ~\nnone: null\nquoted: "null"\n', "m.yaml")
    assert read.data == {
        "language": "no",
        "title": "1984",
        "at": "12:30",
        "empty": None,
        "tilde": None,
        "none": None,
        "quoted": "null",
    }


def test_every_value_knows_its_line() -> None:
    read = read_yaml("title: x\n\nturns:\n  - text: a\n    speaker: b\n  - text: c\n", "m.yaml")
    assert read.where("turns", 0, "speaker") == "m.yaml:5"
    assert read.where("turns", 1) == "m.yaml:6"
    assert read.where("turns", 1, "voice", "deeper") == "m.yaml:6"
    assert read.where("nothing") == "m.yaml:1"


def test_json_with_tabs_and_split_emoji_is_read() -> None:
    assert read_yaml('{\n\t"a": ["\\ud83d\\ude00", "b\\/c"]\n}', "s.json").data == {"a": ["😀", "b/c"]}


def test_an_empty_document_is_none() -> None:
    assert read_yaml("# only a comment\n", "m.yaml").data is None


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a:\n\tb: c\n", "m.yaml:2", "tab"),
        ("a: one\ntitle: One: two\n", "m.yaml:2", "colon"),
        ('a: 1\nb: "open\nc: 2\n', "m.yaml:2", "never closed"),
        ("a: 1\n---\nb: 2\n", "m.yaml:2", "second document"),
        ("a: [1, 2\nb: 3\n", "m.yaml:2", "bracket"),
        ("a: 1\n  b: 2\n", "m.yaml:2", "colon"),
        ("a: @x\n", "m.yaml:1", "quotes"),
        ("a: 1\nb: \x07\n", "m.yaml:2", "U+0007"),
        ('a: "\\UFFFFFFFF"\n', "m.yaml", "escape"),
        ('a: "\\ud83d"\n', "m.yaml:1", "surrogate"),
        ("[" * 5000, "m.yaml", "nested"),
    ],
)
def test_broken_yaml_is_told_in_plain_words(text: str, place: str, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_yaml(text, "m.yaml")
    (problem,) = caught.value.problems
    assert problem.where == place
    assert said in f"{problem.what} {problem.next}"
    assert "\n" not in str(problem)


def test_everything_that_yaml_may_do_and_a_script_may_not_is_told_at_once() -> None:
    text = "a: &x 1\nb: *x\na: 2\nc: !!python/name:os.system x\n[1, 2]: d\ne: !mine f\n"
    with pytest.raises(RequestError) as caught:
        read_yaml(text, "m.yaml")
    assert sorted(problem.where for problem in caught.value.problems) == [f"m.yaml:{n}" for n in (2, 3, 4, 5, 6)]


@given(st.text(alphabet="ab:-[]{}\"'&*!|>#%@`,?\\~ \n\tU\u2028é", max_size=40))
def test_any_text_is_data_or_refused(text: str) -> None:
    try:
        read_yaml(text, "m.yaml")
    except RequestError as error:
        assert error.problems


def test_utf_16_is_read_with_and_without_its_mark_and_told_of(tmp_path: Path) -> None:
    words = "田中、こんにちは。\n鈴木。\n" * 4
    for data in (
        words.encode("utf-16"),
        words.encode("utf-16-le"),
        words.encode("utf-16-be"),
        "Hi, all.\n".encode("utf-16-be"),
    ):
        text, notes = read_any_text(written(tmp_path, data), "s.md")
        assert text in (words, "Hi, all.\n")
        assert len(notes) == 1


def test_what_is_no_text_gets_no_advice_on_encodings(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 8
    with pytest.raises(RequestError) as caught:
        read_any_text(written(tmp_path, picture), "s.md")
    assert str(caught.value.problems[0]) == "s.md: this is no text file. Name one with the words of a script."
