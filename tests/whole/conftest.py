"""What tests of the whole share: a small disk, and the command's entry point called in this process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli.main import main
from tests.support.faults import Disk, small_disk
from tests.support.wrong_requests import Answer, Podcast


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small file system, once it is mounted; the test is skipped where it cannot be."""
    with small_disk(tmp_path / "disk") as limit:
        yield limit


@pytest.fixture
def podcast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Podcast:
    """The command's own entry point, called in this process: an error that it does not tell fails the test."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["podcast", *map(str, arguments)])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, told.out, told.err)

    return call
