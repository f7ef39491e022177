"""Nobody but the user is let in by the Prefect server of `podcast serve`."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.support.commands import PODCAST
from tests.support.served import Served


def _secret(served: Served) -> tuple[str, str]:
    """Where the server is and what it asks for, as the user is told."""
    shown = json.loads(served.run(PODCAST, "status", "--prefect", "--json").stdout)
    return str(shown["api"]), str(shown["password"])


# What anybody on this machine can do: a POST with the headers and body that are given. Prints the status.
POST = """
import sys, urllib.error, urllib.request
address, body, *headers = sys.argv[1:]
pairs = dict(header.split(": ") for header in headers)
request = urllib.request.Request(address, body.encode(), pairs, method="POST")
try:
    print(urllib.request.urlopen(request, timeout=60).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.mark.slow
def test_the_server_lets_in_nobody_without_its_password(served: Served) -> None:
    """No other user, no page in a browser, whatever it says it is; whoever is let in can run code as the user."""
    api, secret = _secret(served)
    assert re.fullmatch(r"podcast:[\w-]{32,}", secret)
    address = f"{api}/deployments/filter"
    wrong = base64.b64encode(b"podcast:guess").decode()
    right = base64.b64encode(secret.encode()).decode()
    as_others: list[tuple[list[str], list[str]]] = [
        ([], []),
        ([], ["Content-Type: application/json"]),
        ([], ["Content-Type: application/json", "Origin: http://evil.example", "Host: evil.example"]),
        ([], ["Content-Type: text/plain", "Origin: null"]),
        ([], [f"Authorization: Basic {wrong}"]),
    ]
    if os.geteuid() == 0 and shutil.which("setpriv"):
        as_others.append((["setpriv", "--reuid", "65534", "--clear-groups"], ["Content-Type: application/json"]))
    for prefix, headers in as_others:
        command = [*prefix, "/usr/bin/python3" if prefix else sys.executable, "-c", POST, address, "{}", *headers]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "401\n", headers
    command = [sys.executable, "-c", POST, address, "{}", f"Authorization: Basic {right}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "200\n"


@pytest.mark.slow
def test_only_the_servers_own_page_may_ask_it(served: Served) -> None:
    """A browser sends what a page asks only where the server says so beforehand."""
    api, _secret_one = _secret(served)
    own = api.removesuffix("/api")
    for origin, allowed in ((own, own), ("http://evil.example", None), ("null", None)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        request = urllib.request.Request(f"{api}/deployments/filter", headers=headers, method="OPTIONS")
        try:
            answer = urllib.request.urlopen(request, timeout=60).headers
        except urllib.error.HTTPError as error:
            answer = error.headers
        assert answer.get("Access-Control-Allow-Origin") == allowed


@pytest.mark.slow
def test_the_password_is_nowhere_but_in_the_users_profile(served: Served) -> None:
    """Where Prefect's own commands find it; in no log, and in no arguments, which every user can see."""
    api, secret = _secret(served)
    profiles = Path(served.env["PREFECT_HOME"]) / "profiles.toml"
    assert secret in profiles.read_text()
    assert stat.S_IMODE(profiles.stat().st_mode) == 0o600
    bare = {name: served.env[name] for name in ("HOME", "PATH", "PREFECT_HOME") if name in served.env}
    run = ("deployment", "run", "podcast/render", "--param", "manifest=manifests/show.yaml", "--watch")
    ended = Served(served.folder, bare, served.said, served.process).prefect(*run)
    assert ended.returncode == 0, ended.stdout + ended.stderr + served.said.read_text()
    told = [served.said, *(served.folder / "output/logs").glob("*")]
    secrets = (secret.removeprefix("podcast:"), base64.b64encode(secret.encode()).decode())
    for text in (*(path.read_text(errors="replace") for path in told), *_command_lines()):
        assert not [hidden for hidden in secrets if hidden in text]
    assert (
        f"page: {api.removesuffix('/api')}\npassword: {secret}\n" == served.run(PODCAST, "status", "--prefect").stdout
    )


def _command_lines() -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_a_server_that_is_not_ours_is_left_as_it_is(served: Served, tmp_path: Path) -> None:
    """One whose password the profile has not is told of, and nothing is written anywhere."""
    api, _secret_one = _secret(served)
    home = tmp_path / "prefect"
    env = dict(served.env) | {"PREFECT_HOME": str(home), "PREFECT_API_URL": api}
    ended = Served(tmp_path, env, served.said, served.process).run(PODCAST, "serve")
    assert ended.returncode == 1
    assert "the Prefect server does not take the password in your profile or environment" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (home / "profiles.toml").exists()
