"""The local Prefect server of `podcast serve`: started where there is none, and started again when it dies.

Whoever is let in by a Prefect server can have its flow runs execute anything, as the user who serves them: another user
of the machine, or a page that is open in a browser. So ours asks for a password, which is random, lies in the user's
Prefect profile and is readable by them alone, and lets no web page but its own ask anything.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

import filelock
import psutil
from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_HOME, PREFECT_PROFILES_PATH, get_current_settings, update_current_profile

from pipeline.errors import PodcastError, Problem
from pipeline.threads import every

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# No proxy knows the way to a server on this machine; nor have our children to ask one.
_DIRECT = [*filter(None, os.environ.get("no_proxy", os.environ.get("NO_PROXY", "")).split(",")), *_LOOPBACK]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(dict.fromkeys(_DIRECT))

LOCAL_API = "http://127.0.0.1:4200/api"
_PATIENCE_S = 30.0  # until it is said again what is waited for
_ANSWER_S = 10.0  # as well; where nobody listens, that is known at once
_LOOK_S = 2.0
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_OURS = "podcast:"  # begins the passwords that are made here
_STOP = "with Ctrl-C where it was started, or prefect server stop"
STRANGER = "a process of another user listens there."
_OTHER_PORT = "End it, or take another port: export PREFECT_API_URL=http://127.0.0.1:4300/api"


def configured_api() -> str | None:
    """The API that Prefect's settings name."""
    url = get_current_settings().api.url
    return str(url).rstrip("/") or None if url is not None else None  # a variable may be set to nothing


def password() -> str | None:
    """What Prefect's commands send to the API that is configured, `user:password`."""
    secret = get_current_settings().api.auth_string
    return None if secret is None else secret.get_secret_value()


@contextmanager
def keeping_server(api: str, say: Callable[[str], None], stop: threading.Event) -> Iterator[None]:
    """Start the local server and its keeper again where both have died: when it has not answered twice.

    Where a process of another user listens by then, `stop` is set and this process told to end: it would take its work
    from there.
    """
    silent = 0

    def look() -> None:
        nonlocal silent
        silent = 0 if answers(api) else silent + 1
        if silent > 1:
            ensure_server(api, say, stop)
        elif not silent and not is_ours(api):
            say(f"{api}: {STRANGER} podcast serve ends.")
            stop.set()
            os.kill(os.getpid(), signal.SIGTERM)

    with every(_LOOK_S, look):
        yield


def ensure_server(api: str, say: Callable[[str], None], stop: threading.Event, *, is_configured: bool = True) -> None:
    """See that a Prefect API answers at `api`; a local one is started on loopback if none does.

    Unless the user has named that address (`is_configured`), what listens there must be a process of theirs. After
    `stop` it is not waited for. Raises `PodcastError` where none is to be had.
    """
    with _alone():
        refresh_global_settings_context()  # another may have set a password
        if not answers(api):
            _start(api, say, stop)
            if stop.is_set():
                return
        if problem := hindrance(api, is_configured=is_configured):
            raise refusal(api, problem)
    if urlsplit(api).hostname in _LOOPBACK and not _asks_for_password(api):
        danger = "so that every user of this machine, and every page in a browser here, can run code as you"
        hint = f"Stop it ({_STOP}); podcast serve then starts one with a password."
        say(f"note: the Prefect server on {api} has no password, {danger}. {hint}")


def refusal(api: str, problem: str) -> PodcastError:
    """The error that the server at `api` cannot be used, for what `hindrance` says."""
    password = f"Set PREFECT_API_AUTH_STRING, or stop it ({_STOP})."
    return PodcastError(Problem(api, problem, password if "password" in problem else _OTHER_PORT))


def hindrance(api: str, *, is_configured: bool = True) -> str:
    """Why the server at `api`, which is configured, cannot be used; empty where it can.

    Nothing of ours is sent to a process of another user.
    """
    if not answers(api):
        return "the Prefect server does not answer."
    if not is_ours(api, is_configured=is_configured):
        return STRANGER
    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != _UNAUTHORIZED:
            return f"what answers there is no Prefect server of this version (status {error.response.status_code})."
        if password() is None:
            return "the Prefect server asks for a password, and your profile and environment have none."
        return "the Prefect server does not take the password in your profile or environment."
    except Exception as error:  # of what is something else, or breaks off, of many kinds
        return f"what answers there is no Prefect server ({type(error).__name__})."
    return ""


@contextmanager
def _alone() -> Iterator[None]:
    """One process of the user at a time: two at once would give their server two passwords."""
    home = Path(PREFECT_HOME.value())
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # flow runs, with what they were given, are in there
        with filelock.FileLock(home / "podcast-serve.lock"):
            yield
    except OSError as error:
        what = f"Prefect's folder cannot be used ({error.strerror or error})."
        raise PodcastError(Problem(str(home), what, "Make it writable, or set PREFECT_HOME to another.")) from error


def answers(api: str) -> bool:
    """Whether a server is there. Its health is no secret, but what stands in front of it may ask for a key."""
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=_ANSWER_S):  # noqa: S310 - the address is the user's own
            return True
    except urllib.error.HTTPError as error:
        return error.code in (_UNAUTHORIZED, _FORBIDDEN)
    except (OSError, ValueError, HTTPException):
        return False


def set_in_profile(settings: Mapping[str, str]) -> None:
    """Set Prefect's `settings` in the profile in use, as `prefect config set` does, and let nobody else read it.

    Not by that command: what stands in its arguments, every user of the machine can see.
    """
    profiles = Path(PREFECT_PROFILES_PATH.value())
    if profiles.exists():
        profiles.chmod(0o600)
    update_current_profile({name: value for name, value in settings.items()})  # noqa: C416 - its keys' type is wider
    profiles.chmod(0o600)
    os.environ.update(settings)
    refresh_global_settings_context()  # in all threads: one that did not know the address would start a server


def _new_password(say: Callable[[str], None]) -> str:
    """The password of a server that is started: the user's own, or else a new one, in the profile from now on.

    One of ours is used for one server alone: while that was down, another may have been asked in its name.
    """
    server = get_current_settings().server.api.auth_string
    theirs = password() or (server.get_secret_value() if server is not None else "")
    if theirs and not theirs.startswith(_OURS):
        return theirs
    secret = f"{_OURS}{secrets.token_urlsafe(24)}"
    set_in_profile({"PREFECT_API_AUTH_STRING": secret, "PREFECT_SERVER_API_AUTH_STRING": secret})
    say("your Prefect profile now has the server's password; see it with: podcast status --prefect")
    return secret


def _start(api: str, say: Callable[[str], None], stop: threading.Event) -> None:
    """Start a server in the background, and wait until it answers, or `stop`. Raises `PodcastError`."""
    place = urlsplit(api)
    if place.hostname not in _LOOPBACK:
        hint = "Start it, or unset PREFECT_API_URL."
        raise PodcastError(Problem(api, "the Prefect server does not answer.", hint))
    if place.path != "/api":
        hint = f"Set PREFECT_API_URL to {place.scheme}://{place.netloc}/api."
        raise PodcastError(Problem(api, "the address of a Prefect server ends in /api.", hint))
    record = Path(PREFECT_HOME.value()) / "server.pid"  # in which Prefect notes a server in the background
    if _lives(record):
        say(f"a Prefect server is starting on {api}")
        _await(api, lambda: _lives(record), say, stop)
        return
    port = place.port or 4200
    if _is_taken(port):
        raise refusal(api, "something else than a Prefect server listens there.")
    say(f"starting a Prefect server on {api}; stop it with: prefect server stop")
    record.unlink(missing_ok=True)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "pipeline.night.prefect_keeper", str(port), str(record)],
        env=os.environ
        | {
            "PREFECT_SERVER_API_AUTH_STRING": _new_password(say),
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
            # What a flow run says is seen where it is waited for with `prefect deployment run … --watch`.
            "PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "true",
            "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "true",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C in the terminal ends `podcast serve`, and not what outlives it
    )
    try:
        _await(api, lambda: keeper.poll() is None, say, stop)
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(keeper.pid, signal.SIGTERM)
        raise


def _await(api: str, lives: Callable[[], bool], say: Callable[[str], None], stop: threading.Event) -> None:
    """Wait until a server answers, for as long as it lives. Raises `PodcastError` once it does not."""
    said_at = monotonic()
    while not answers(api) and not stop.wait(0.25):
        if not lives():
            hint = "See why with: prefect server start --host 127.0.0.1"
            raise PodcastError(Problem(api, "a local Prefect server did not start.", hint))
        if monotonic() - said_at > _PATIENCE_S:
            said_at = monotonic()
            say(f"the Prefect server on {api} does not answer yet; waiting for it (Ctrl-C ends that)")


def _is_taken(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S).close()
    except OSError:
        return False
    return True


def is_ours(api: str, *, is_configured: bool = True) -> bool:
    """Whether our password may be sent there: not to another user's process on this machine.

    A server that the user has set up elsewhere, in a container for example, has a password of theirs or none.
    """
    place = urlsplit(api)
    secret = password()
    is_theirs = is_configured and (secret is None or not secret.startswith(_OURS))
    return place.hostname not in _LOOPBACK or is_theirs or _listens_as_us(place.port or 80)


def _listens_as_us(port: int) -> bool:
    """Whether what listens at a port of this machine is a process of this user; true where nobody can tell."""
    try:
        listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr]
        pids = {c.pid for c in listening if c.laddr and c.laddr.port == port}
        return all(pid is not None and psutil.Process(pid).uids().real == os.getuid() for pid in pids)
    except (psutil.Error, OSError):
        return True


def _asks_for_password(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/admin/version", timeout=_ANSWER_S):  # noqa: S310 - as above
            return False
    except urllib.error.HTTPError as error:
        return error.code == _UNAUTHORIZED
    except (OSError, ValueError):
        return True


def _lives(record: Path) -> bool:
    """Whether the process that a record names is a server still: its number may be another process's by now."""
    try:
        return any("prefect" in word for word in psutil.Process(int(record.read_text())).cmdline())
    except (OSError, ValueError, psutil.Error):
        return False
