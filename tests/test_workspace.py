"""File names, keys, atomic writes and the lock."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError, StorageError
from pipeline.files import atomic_path, atomic_write, content_key, read_json, safe_name, write_json
from pipeline.workspace import Workspace, job_name, workspaces


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


def test_a_file_where_a_folder_is_needed_is_told(tmp_path: Path) -> None:
    """As a StorageError that names the place and what to do."""
    (tmp_path / "output").write_text("in the way")
    with pytest.raises(StorageError, match="finished takes are kept"):
        Workspace(tmp_path / "output", "job").create()


def test_json_round_trips_and_garbage_reads_as_none(tmp_path: Path) -> None:
    """Whatever lies there."""
    path = tmp_path / "x.json"
    write_json(path, {"ä": [1, None]})
    assert read_json(path) == {"ä": [1, None]}
    for garbage in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(garbage)
        assert read_json(path) is None
    assert read_json(tmp_path) is None


def test_a_second_process_is_told_who_holds_the_job(tmp_path: Path) -> None:
    """And the lock goes with its process, however that ends."""
    code = (
        "import sys, time, pathlib; from pipeline.workspace import Workspace\n"
        "with Workspace(pathlib.Path(sys.argv[1]), 'job').lock(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RequestError, match=f"process {holder.pid}"), Workspace(tmp_path, "job").lock():
        pass
    holder.kill()
    holder.wait()
    with Workspace(tmp_path, "job").lock():
        held = read_json(tmp_path / "job" / ".lock.json")
        assert held["pid"] == os.getpid()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """Temporary files only."""
    workspace = Workspace(tmp_path, "job")
    workspace.create()
    left, kept = workspace.takes / ".abc.tmp.flac", workspace.takes / "abc.flac"
    left.write_bytes(b"x")
    kept.write_bytes(b"x")
    with workspace.lock():
        assert not left.exists()
        assert kept.exists()


def test_whether_a_job_is_held(tmp_path: Path) -> None:
    """By the lock, whatever is noted of who has it; where the lock may not be seen, by what is noted."""
    workspace = Workspace(tmp_path, "job")
    assert not workspace.is_held()
    assert not workspace.root.exists()
    holder = tmp_path / "job/.lock.json"
    with workspace.lock():
        assert workspace.is_held()
        holder.unlink()
        assert workspace.is_held()
    assert not workspace.is_held()
    write_json(holder, {"pid": os.getpid(), "host": socket.gethostname()})  # of one that was killed; another has its id
    assert not workspace.is_held()
    write_json(holder, {"pid": 1, "host": "elsewhere"})
    assert workspace.is_held()


def test_jobs_are_the_folders_with_a_record(tmp_path: Path) -> None:
    """A folder of something else, and a link to a job, are none."""
    assert workspaces(tmp_path / "output") == {}
    for name in ("b", "a", "other"):
        Workspace(tmp_path / "output", name).create()
    for name in ("a", "b"):
        write_json(tmp_path / "output" / name / "job.json", {})
    (tmp_path / "output/link").symlink_to("a")
    assert list(workspaces(tmp_path / "output")) == ["a", "b"]
    assert workspaces(tmp_path / "output")["a"].root == tmp_path / "output/a"
    assert job_name(Path("in/box/AC: DC?.yaml")) == "AC- DC"
