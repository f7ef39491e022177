"""Nobody but the user is let in by the Prefect server of `podcast serve`."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import psutil
import pytest
from websockets import ConnectionClosed, Subprotocol
from websockets.sync.client import connect

from pipeline.night.prefect_server import answers
from tests.support.commands import PODCAST, run_podcast
from tests.support.processes import WAIT_S, free_port, until
from tests.support.served import FIRST_TIME, OTHER_PROFILE, Served, serving, write_show


def _secret(served: Served) -> tuple[str, str]:
    """Where the server is and what it asks for, as the user is told."""
    shown = json.loads(served.run(PODCAST, "status", "--prefect", "--json").stdout)
    return str(shown["api"]), str(shown["password"])


@pytest.fixture(scope="module")
def secret(served: Served) -> tuple[str, str]:
    """The same of the server that this file's tests share."""
    return _secret(served)


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
def test_the_server_lets_in_nobody_without_its_password(secret: tuple[str, str]) -> None:
    """No other user, no page in a browser, whatever it says it is; whoever is let in can run code as the user."""
    api, password = secret
    assert re.fullmatch(r"podcast:[\w-]{32,}", password)
    address = f"{api}/deployments/filter"
    wrong = base64.b64encode(b"podcast:guess").decode()
    right = base64.b64encode(password.encode()).decode()
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
@pytest.mark.parametrize("place", ["events/in", "events/out", "logs/out"])
@pytest.mark.parametrize("said", [None, "podcast:guess"])
def test_sockets_are_closed_without_the_password(place: str, said: str | None, secret: tuple[str, str]) -> None:
    """Before anything is told or taken."""
    api, _password = secret
    with connect(f"{api.replace('http', 'ws', 1)}/{place}", subprotocols=[Subprotocol("prefect")]) as socket:
        if said is not None:
            socket.send(json.dumps({"type": "auth", "token": said}))
        else:
            socket.send(json.dumps({"type": "filter", "filter": {}}))
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)


@pytest.mark.slow
def test_only_the_servers_own_page_may_ask_it(secret: tuple[str, str]) -> None:
    """A browser sends what a page asks only where the server says so beforehand."""
    api, _password = secret
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
def test_the_password_is_nowhere_but_in_the_users_profile(served: Served, secret: tuple[str, str]) -> None:
    """Where Prefect's own commands find it; in no log, and in no arguments, which every user can see."""
    api, password = secret
    profiles = Path(served.env["PREFECT_HOME"]) / "profiles.toml"
    assert password in profiles.read_text()
    assert OTHER_PROFILE in profiles.read_text()
    assert stat.S_IMODE(profiles.stat().st_mode) == 0o600
    bare = {name: served.env[name] for name in ("HOME", "PATH", "PREFECT_HOME") if name in served.env}
    run = ("deployment", "run", "podcast/render", "--param", "manifest=manifests/show.yaml", "--watch")
    ended = Served(served.folder, bare, served.said, served.process).prefect(*run)
    assert ended.returncode == 0, ended.stdout + ended.stderr + served.said.read_text()
    told = [served.said, *(served.folder / "output/logs").glob("*")]
    secrets = (password.removeprefix("podcast:"), base64.b64encode(password.encode()).decode())
    for text in (*(path.read_text(errors="replace") for path in told), *_command_lines()):
        assert not [hidden for hidden in secrets if hidden in text]
    shown = served.run(PODCAST, "status", "--prefect")
    assert shown.stdout == f"page: {api.removesuffix('/api')}\npassword: {password}\n"
    assert not shown.stderr


def _command_lines() -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_a_server_that_is_not_ours_is_left_as_it_is(served: Served, secret: tuple[str, str], tmp_path: Path) -> None:
    """One whose password the profile has not is told of by every command, and nothing is written anywhere."""
    api, _password = secret
    home = tmp_path / "prefect"
    for own, problem in (
        ({}, "the Prefect server asks for a password, and your profile and environment have none."),
        ({"PREFECT_API_AUTH_STRING": "me:wrong"}, "the Prefect server does not take the password in your profile or"),
    ):
        env = dict(served.env) | {"PREFECT_HOME": str(home), "PREFECT_API_URL": api} | own
        elsewhere = Served(tmp_path, env, served.said, served.process)
        for command, code in (("serve", 1), ("status --prefect", 0), ("watch night --once --create", 0)):
            ended = elsewhere.run(PODCAST, *command.split())
            assert ended.returncode == code, ended.stderr
            assert f"{api}: {problem}" in ended.stderr
            assert "Traceback" not in ended.stderr
        assert not (home / "profiles.toml").exists()


@pytest.mark.parametrize("command", ["serve", "status --prefect", "watch night --once --create"])
def test_settings_that_prefect_cannot_read_are_told(command: str, tmp_path: Path) -> None:
    """A damaged file of profiles, a wrong variable, a folder that is a file: one line each."""
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/profiles.toml").write_text("active = [[[")
    (tmp_path / "good").mkdir()
    (tmp_path / "good/profiles.toml").write_text("")
    (tmp_path / "file").touch()
    for env, code, told in (
        ({"PREFECT_HOME": str(tmp_path / "damaged")}, 2, "damaged/profiles.toml: Prefect cannot read its settings"),
        (
            {"PREFECT_HOME": str(tmp_path / "good"), "PREFECT_SERVER_API_PORT": "x"},
            2,
            "cannot read its settings (port)",
        ),
        *([({"PREFECT_HOME": str(tmp_path / "file")}, 1, "Prefect's folder cannot be used")] * (command == "serve")),
    ):
        ended = run_podcast(*command.split(), cwd=tmp_path, env=env)
        assert ended.returncode == code, ended.stderr
        assert told in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr


# Another user's process that says it is a Prefect server, and notes what it is sent.
STRANGER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, self.headers.get("Authorization"), flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"true")
    do_POST = do_GET
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


only_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root may be somebody else"
)


@contextmanager
def stranger(port: int) -> Iterator[Callable[[], str]]:
    """Another user's server; gives what it was sent so far."""
    command = ["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c", STRANGER, str(port)]
    with TemporaryFile("w+") as output, subprocess.Popen(command, stdout=output) as process:
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/api"))
            yield lambda: os.pread(output.fileno(), 1 << 20, 0).decode()
        finally:
            process.kill()


@pytest.mark.slow
@only_root
def test_another_users_server_gets_no_password_and_serves_nothing(tmp_path: Path) -> None:
    """Neither at the first start, when there is no address yet, nor when our own server is gone."""
    port, home = free_port(), tmp_path / "prefect"
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {"PREFECT_HOME": str(home)}
    profile = home / "profiles.toml"
    with stranger(port) as sent:
        for settings in ("", "PREFECT_API_AUTH_STRING = 'podcast:hidden'\n"):
            profile.write_text(f"active = 'default'\n[profiles.default]\n{settings}")
            first_time = [sys.executable, "-c", FIRST_TIME, f"http://127.0.0.1:{port}/api", "serve"]
            ended = subprocess.run(
                first_time, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=WAIT_S, check=False
            )
            assert ended.returncode == 1, ended.stderr
            assert "a process of another user listens there." in ended.stderr
            assert "PREFECT_API_URL" not in profile.read_text()
        profile.write_text(profile.read_text() + f"PREFECT_API_URL = 'http://127.0.0.1:{port}/api'\n")
        for command in ("serve", "status --prefect", "watch night --once --create", "doctor"):
            told = run_podcast(*command.split(), cwd=tmp_path, env=env)
            assert "Traceback" not in told.stderr
            assert ("a process of another user listens there." in told.stderr) == (command != "doctor")
        assert "Basic" not in sent()


@pytest.mark.slow
def test_a_schedule_that_is_none_is_told_before_anything_is_started(tmp_path: Path) -> None:
    """With the form of one that is."""
    env = {"PREFECT_HOME": str(tmp_path / "prefect")}
    ended = run_podcast("serve", "--watch", "night", "--cron", "nonsense", cwd=tmp_path, env=env)
    assert ended.returncode == 2
    line = ended.stderr.splitlines()[-1]  # behind "loading Prefect", on a slow machine
    assert (
        line == '--cron: "nonsense" is no schedule. Write minute, hour, day, month and weekday, such as "0 23 * * *".'
    )
    assert not (tmp_path / "prefect/server.pid").exists()


# A server of our own that is none of Prefect's: it answers every question with the status that is given.
OTHER = STRANGER.replace("send_response(200)", "send_response(int(sys.argv[2]))")


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 404, 401])
def test_something_else_on_the_port_is_told_of(status: int, tmp_path: Path) -> None:
    """Whatever it says, and nothing is left running."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {"PREFECT_HOME": str(tmp_path / "prefect")}
    with subprocess.Popen([sys.executable, "-c", OTHER, str(port), str(status)], stdout=subprocess.DEVNULL) as other:
        try:
            until(lambda: _listens(port))
            first_time = [sys.executable, "-c", FIRST_TIME, f"http://127.0.0.1:{port}/api", "serve"]
            ended = subprocess.run(
                first_time, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=WAIT_S, check=False
            )
        finally:
            other.kill()
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "Prefect server" in line
    assert "export PREFECT_API_URL=http://127.0.0.1:4300/api" in line or "PREFECT_API_AUTH_STRING" in line
    assert not (tmp_path / "prefect/server.pid").exists()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_no_proxy_is_asked_for_a_server_on_this_machine(tmp_path: Path) -> None:
    """By nothing that `podcast serve` starts: here the proxy is one that does not answer."""
    proxies = {
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    with serving(tmp_path, "--watch", "night", more=proxies) as served:
        write_show(tmp_path / "night/inbox", "show")
        until((tmp_path / "night/done/show/show.report.json").is_file, served.said.read_text)
        assert served.run(PODCAST, "status", "--prefect").stderr == ""


@pytest.mark.slow
@only_root
def test_nobody_can_take_the_port_of_a_server_that_died(tmp_path: Path) -> None:
    """It is held while the server is started again. Who takes it when that is gone too gets nothing that is of use."""
    with serving(tmp_path) as served:
        api, secret = _secret(served)
        port = int(api.removesuffix("/api").rpartition(":")[2])
        record = tmp_path / "prefect/server.pid"
        server = psutil.Process(int(record.read_text()))
        keeper = server.parent()
        assert keeper is not None
        server.kill()
        with pytest.raises(OSError, match="in use"), socket.create_server(("127.0.0.1", port)):
            pass
        until(lambda: record.read_text() != str(server.pid) and answers(api))
        assert _secret(served)[1] == secret

        keeper.suspend()
        again = psutil.Process(int(record.read_text()))
        again.kill()
        keeper.kill()
        again.wait(WAIT_S)
        with stranger(port):
            until(lambda: served.process.poll() is not None, served.said.read_text)
        assert served.process.returncode == 1
        assert "a process of another user listens there." in served.said.read_text()
    with serving(tmp_path) as served:
        assert _secret(served)[1] != secret
