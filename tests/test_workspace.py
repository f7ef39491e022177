"""The folders of a job, and its lock."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import RequestError, StorageError
from pipeline.files import read_json, write_json
from pipeline.workspace import Workspace, job_name, workspaces


def test_a_file_where_a_folder_is_needed_is_told(tmp_path: Path) -> None:
    """As a StorageError that names the place and what to do."""
    (tmp_path / "output").write_text("in the way")
    with pytest.raises(StorageError, match="finished takes are kept"):
        Workspace(tmp_path / "output", "job").create()


def test_a_second_process_is_told_who_holds_the_job(tmp_path: Path) -> None:
    """And the lock goes with its process, however that ends."""
    code = (
        "import sys, pathlib; from pipeline.workspace import Workspace\n"
        "with Workspace(pathlib.Path(sys.argv[1]), 'job').lock(): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RequestError, match=f"process {holder.pid}"), Workspace(tmp_path, "job").lock():
        pass
    holder.communicate()
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
