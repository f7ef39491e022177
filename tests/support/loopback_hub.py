"""A hub on loopback that speaks what huggingface_hub asks of one, and users of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

WORKER = """
import dataclasses, json, sys
from pipeline.engines.dia.weights import hub
from pipeline.errors import EngineError
for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        answer = {"value": getattr(hub, name)(*arguments)}
    except EngineError as error:
        answer = {"error": str(error)}
    show = lambda value: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)
    print(json.dumps(answer, default=show), flush=True)
"""


class Hub:
    """Repositories by name and commit; `main` is what the branch of that name points to."""

    def __init__(self) -> None:
        self.url = ""
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.main: dict[str, str] = {}
        self.gated: set[str] = set()
        self.log: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.faults: list[str] = []  # of the next downloads of large files: "drop", "refuse" or "damage"

    def add(self, name: str, commit: str, folder: Path) -> None:
        """Push the files of `folder` to main."""
        files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        self.repositories.setdefault(name, {})[commit] = files
        self.main[name] = commit

    def find(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | str:
        """The commit and its files, or the hub's code for why there are none."""
        if name in self.gated:
            return "GatedRepo"
        if name not in self.repositories:
            return "RepoNotFound"
        commit = self.main[name] if revision == "main" else revision
        files = self.repositories[name].get(commit)
        return "RevisionNotFound" if files is None else (commit, files)

    def large(self, digest: str) -> bytes:
        """The large file of this hash."""
        found = (f for commits in self.repositories.values() for files in commits.values() for f in files.values())
        return next(content for content in found if hashlib.sha256(content).hexdigest() == digest)

    def downloads(self) -> list[tuple[str, str | None]]:
        """Path and Range of every download of a large file, which is what takes time."""
        return [(path, span) for method, path, span in self.log if method == "GET" and path.startswith("/cdn/")]


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.hub.log.append((self.command, self.path, self.headers.get("Range")))
        match self.path.strip("/").split("/"):
            case ["api", "models", owner, name, *revision]:
                self._info(f"{owner}/{name}", revision[1] if revision else "main")
            case [owner, name, "resolve", revision, *file]:
                self._resolve(f"{owner}/{name}", revision, "/".join(file))
            case ["cdn", digest]:
                self._download(self.hub.large(digest))
            case _:
                self._send(404)

    def _info(self, name: str, revision: str) -> None:
        found = self.hub.find(name, revision)
        if isinstance(found, str):
            self._refuse(found)
            return
        commit, files = found
        info = {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files], "tags": []}
        self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _resolve(self, name: str, revision: str, file: str) -> None:
        found = self.hub.find(name, revision)
        if isinstance(found, str):
            self._refuse(found)
            return
        commit, files = found
        content = files[file]
        headers = {"X-Repo-Commit": commit}
        if file.endswith(".json"):
            headers["ETag"] = f'"{hashlib.sha1(content).hexdigest()}"'
            self._send(200, content, headers)
            return
        digest = hashlib.sha256(content).hexdigest()
        headers |= {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        port = self.headers["Host"].partition(":")[2]
        headers["Location"] = f"http://localhost:{port}/cdn/{digest}"  # another host than the hub's, as in reality
        self._send(302, b"", headers)

    def _download(self, content: bytes) -> None:
        fault = self.hub.faults.pop(0) if self.hub.faults else ""
        if fault == "refuse":
            self._send(500)
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        if fault == "drop":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) - 1000])
            self.close_connection = True
        else:
            body = bytes(len(content)) if fault == "damage" else content[start:]
            self._send(206 if start else 200, body, headers)

    def _refuse(self, code: str) -> None:
        self._send(403 if code == "GatedRepo" else 404, b"", {"X-Error-Code": code})

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class User:
    """A user with a home of their own: a process that calls `pipeline.engines.dia.weights.hub`."""

    def __init__(self, home: Path, **env: str) -> None:
        self.stderr = home / "stderr"
        home.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        own = {
            "HF_HOME": str(home / "hf"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "NO_PROXY": "127.0.0.1,localhost",
            "TQDM_POSITION": "-1",  # huggingface_hub then shows progress although stderr is no terminal
        }
        self.env = inherited | own | env
        with self.stderr.open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-c", WORKER],
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def __enter__(self) -> User:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def _ask(self, *call: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.stderr.read_text()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def fetch(self, name: str) -> Path:
        return Path(self._ask("fetch", name)["value"])

    def locate(self, name: str) -> Path:
        return Path(self._ask("locate", name, "dia")["value"])

    def listing(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in self._ask("listing")["value"]}

    def error(self, *call: str) -> str:
        text: str = self._ask(*call)["error"]
        return text


@contextmanager
def running_hub() -> Iterator[Hub]:
    """An empty hub that answers at its `url`."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
