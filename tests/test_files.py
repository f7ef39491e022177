"""File names, keys and atomic writes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StorageError
from pipeline.files import (
    atomic_folder,
    atomic_path,
    atomic_write,
    content_key,
    file_hash,
    read_json,
    safe_name,
    set_aside,
    write_json,
)


@given(st.text())
def test_every_title_becomes_a_file_name(title: str) -> None:
    """One that Linux, macOS and Windows take, and that stays the same when made safe again."""
    name = safe_name(title)
    assert 0 < len(name.encode()) <= 121
    assert not set(name) & set('<>:"/\\|?*\0\n\r\t')
    assert name[0] not in ". -"
    assert name[-1] not in ". "
    assert name.split(".")[0].upper() not in {"CON", "NUL", "COM1", "LPT9"}
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Alice in Wonderland", "Alice in Wonderland"),
        ("AC/DC: Live?", "AC-DC- Live"),
        ("con", "_con"),
        ("...", "untitled"),
        ("", "untitled"),
        ("..\\..\\etc", "etc"),
        ("Ünïcödé 🎧", "Ünïcödé 🎧"),
    ],
)
def test_titles_and_their_names(title: str, name: str) -> None:
    """What people meet."""
    assert safe_name(title) == name


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_keys_depend_on_content_not_on_order(parts: dict[str, int | str]) -> None:
    """The same mapping in another order has the same key; a change has another."""
    assert content_key(parts) == content_key(dict(reversed(parts.items())))
    assert content_key(parts) != content_key(parts | {"one more": 1})


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """And no temporary one."""
    path = tmp_path / "file.json"
    atomic_write(path, b"old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_many_threads_may_write_one_file_at_once(tmp_path: Path) -> None:
    """None takes another's temporary file, and what is there at the end is one of theirs, whole."""
    path = tmp_path / "cover.jpg"
    contents = [bytes([number]) * 50_000 for number in range(8)]

    def write_again_and_again(content: bytes) -> None:
        for _time in range(20):
            atomic_write(path, content)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write_again_and_again, contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can foresee the name; who guesses it all the same wins nothing."""
    monkeypatch.setattr("secrets.token_hex", lambda _bytes: "guessed")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".report.guessed.tmp.json").symlink_to(victim)
    with pytest.raises(StorageError):
        atomic_write(tmp_path / "report.json", b"{}")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "report.json").exists()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """And never in place of one that is there."""
    with atomic_folder(tmp_path / "weights") as temporary:
        (temporary / "a").write_text("a")
        assert not (tmp_path / "weights").exists()
    assert (tmp_path / "weights/a").read_text() == "a"
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "other") as temporary:
        raise ZeroDivisionError
    with pytest.raises(OSError, match="not empty"), atomic_folder(tmp_path / "weights"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_what_is_set_aside_takes_the_place_of_what_was_before(tmp_path: Path) -> None:
    """Whatever the two are; a link is not followed."""
    (tmp_path / "elsewhere").mkdir()

    def put(path: Path, kind: str) -> None:
        if kind == "folder":
            path.mkdir()
            (path / "in it").touch()
        elif kind == "link":
            path.symlink_to("elsewhere")
        else:
            path.write_text(kind)

    for number, (new, old) in enumerate(itertools.product(("file", "folder", "link"), repeat=2)):
        path = tmp_path / f"{number}"
        put(path, new)
        put(tmp_path / f"{number}.damaged", old)
        set_aside(path)
        aside = tmp_path / f"{number}.damaged"
        assert not os.path.lexists(path)
        assert (aside.is_symlink(), aside.is_dir()) == (new == "link", new != "file")
    assert (tmp_path / "elsewhere").is_dir()


def test_json_round_trips_and_garbage_reads_as_none(tmp_path: Path) -> None:
    """Whatever lies there."""
    path = tmp_path / "x.json"
    write_json(path, {"ä": [1, None]})
    assert read_json(path) == {"ä": [1, None]}
    for garbage in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(garbage)
        assert read_json(path) is None
    assert read_json(tmp_path) is None
    assert read_json(Path("/dev/zero")) is None
    os.mkfifo(tmp_path / "pipe")  # which nobody writes into
    assert read_json(tmp_path / "pipe") is None
    assert file_hash(tmp_path / "pipe") is None


def test_two_processes_may_write_one_file_at_once(tmp_path: Path) -> None:
    """Each has a temporary file of its own, and the last to end is what is there."""
    path = tmp_path / "shared.json"
    program = "import sys, pathlib, pipeline.files as f; f.atomic_write(pathlib.Path(sys.argv[1]), b'2')"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"1")
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)
        assert path.read_bytes() == b"2"
    assert path.read_bytes() == b"1"
    assert [left.name for left in tmp_path.iterdir()] == ["shared.json"]


def test_what_is_gone_before_it_is_set_aside_is_in_nobodys_way(tmp_path: Path) -> None:
    """Another watcher may have removed it, and its folder, in between."""
    set_aside(tmp_path / "gone")
    set_aside(tmp_path / "folder" / "gone")
    assert list(tmp_path.iterdir()) == []
