"""A drop folder with a watcher whose renders say what they read, for tests of what runs unattended."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import Problem
from pipeline.jobs.report import Report
from pipeline.night.claims import Outcome
from pipeline.night.inbox import Drop, Inbox
from pipeline.night.watcher import DropFolder, Watcher
from pipeline.settings import Settings
from pipeline.workspace import Folders
from tests.support.processes import WAIT_S

REPORT = Report(job="one", title="A test", status="done", audio_s=0, wall_s=0, speed_x=0)


@dataclass
class Shop:
    """A drop folder, and a watcher whose renders say what they read."""

    folder: Path
    rendered: list[tuple[str, str]] = field(default_factory=list)  # manifest, its script as it was read
    said: list[str] = field(default_factory=list)
    finished: list[Outcome] = field(default_factory=list)
    during: Callable[[Path], object] = lambda _manifest: None
    status: Literal["done", "partial"] = "done"
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox.mkdir(parents=True)

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    def drop(self, name: str, text: str | None = "Hello.", *, script: str | list[str] = "", **keys: Any) -> Path:
        """Put a manifest into the inbox, after its script where that has a text."""
        named = script or f"{name.partition('.')[0]}.md"
        if text is not None:
            (self.inbox / str(named)).write_text(text)
        manifest = self.inbox / (name if "." in name else f"{name}.yaml")
        manifest.write_text(json.dumps({"title": "A test", "script": named} | keys))
        return manifest

    def render(self, manifest: Path, done: Path) -> Report:
        """Stands where a job is rendered."""
        assert done.parent.parent == self.folder / "done"
        assert manifest.name == done.name
        data = json.loads(manifest.read_text()) if manifest.suffix in (".yaml", ".yml") else []
        named = data["script"] if isinstance(data, dict) else manifest.name  # a script alone
        self.rendered.append((manifest.name, (manifest.parent / named).read_text()))
        self.during(manifest)
        return REPORT.model_copy(update={"status": self.status, "problems": tuple(self.problems)})

    def drops(self, **options: Any) -> DropFolder:
        """With what a watcher is given."""
        output, window = self.folder.parent / "output", options.pop("window", None)
        settings = Settings(output=output, voices=(), jobs=1, window=window)
        options = {"at_once": 1, "settle_s": 0.03, "patience_s": 0.3} | options
        return DropFolder(self.folder, settings, self.said.append, **options)

    def watcher(self, **options: Any) -> Watcher:
        return Watcher(self.drops(**options), self.render, self.finished.append)

    def drain(self, **options: Any) -> list[Outcome]:
        return self.watcher(**options).run(threading.Event(), once=True)

    def waiting(self) -> list[Drop]:
        """What lies in the inbox, the next one first."""
        return list(Inbox(Folders(self.folder)).look(0.0).drops)

    def files(self, *where: str) -> list[str]:
        root = self.folder.joinpath(*where)
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    def error(self, name: str) -> str:
        return (self.folder / "failed" / name / f"{name}.error.txt").read_text()


class Running:
    """A watcher that runs in a thread while the block lasts."""

    def __init__(self, watcher: Watcher) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=watcher.run, args=(self.stop,))

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()
