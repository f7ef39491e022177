"""Logs rotate, hold no secrets, and never stop the work."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import logs
from pipeline.logs import FILES, log_to, redact

PRINTABLE = "".join(map(chr, range(33, 127)))
# Long enough, and of letters enough, that none stands in the text around it by chance.
secrets = st.text(PRINTABLE, min_size=8, max_size=40).map(lambda text: f"Zq{text}9x")
plain = st.from_regex(re.compile(r"(?:[a-z]{1,8}[ ,.;:]{1,2}){0,6}", re.ASCII), fullmatch=True)
NAMES = ["AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "HF_TOKEN", "client_secret", "DB_PASSWORD", "aws_session_token"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Logging as it was before."""
    root = logging.getLogger()
    before, level = list(root.handlers), logging.getLogger("pipeline").level
    yield
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()
    logging.getLogger("pipeline").setLevel(level)


@given(secrets, plain, plain, st.sampled_from(NAMES))
def test_a_secret_in_a_place_for_secrets_never_comes_out(secret: str, before: str, after: str, name: str) -> None:
    """In an address, its query, an assignment, JSON, a Python dict, and a header."""
    in_address = re.sub(r"[@/:\s]", "-", secret)
    in_query = re.sub(r"[&#\s]", "-", secret)
    for place, hidden in (
        (f"s3://user:{in_address}@host/bucket", in_address),
        (f"https://{in_address}@host:9000/x", in_address),
        (f"s3://AKIA:Zq/{in_address}@host/bucket", in_address),
        (f"https://host/takes/a.flac?X-Amz-Signature={in_query}&part=1", in_query),
        (f"https://host/a?sv=1&sig={in_query}", in_query),
        (f"{name}={secret}", secret),
        (f"{name} = {secret}", secret),
        (f"--{name.lower().replace('_', '-')}={secret}", secret),
        (json.dumps({name.lower(): secret, "x": 1}), json.dumps(secret)[1:-1]),
        (repr({name: secret}), repr(secret)[1:-1]),
        (f"Authorization: Bearer {secret}", secret),
        (f"authorization: Basic {secret}", secret),
        (f"'Authorization': 'token {secret}'", secret),
        (f"Set-Cookie: session={secret}; Path=/", secret),
        (f"postgresql://u:80/{in_address}@host/db", in_address),
        (f"DefaultEndpointsProtocol=https;AccountKey={in_query}==;EndpointSuffix=x", in_query),
        (f"PREFECT_API_AUTH_STRING={secret}", secret),
        (f"authorization={secret}", secret),
        (f"pwd={secret}", secret),
        (f"podcast --password {secret}", secret),
        (f"['podcast', '--api-token', '{in_query}']", in_query),
        (f"password => {secret}", secret),
        (f"SSHPASS={secret}", secret),
        (f"password: |\n  {secret}\n", secret),
        (f"<db.password type='x'>{in_query.replace('<', '-')}</db.password>", in_query.replace("<", "-")),
        (f"machine host login me password {secret}", secret),
        (f"curl -u me:{secret} http://host", secret),
        (f"curl --user me:{secret}", secret),
        (f"url=postgresql%3A%2F%2Fme%3A{quote(secret, safe='')}%40host", quote(secret, safe="")),
        (f"https://host/callback?code={in_query}", in_query),
        (f"get(cookies={{'a': {secret!r}}})", repr(secret)[1:-1]),
        (f"X-Auth: {secret}", secret),
        (f"(b'x-api-key', b'{in_query}')", in_query),
        (f"[(b'Cookie', b'session={in_query}')]", in_query),
        (f"config['password'] = {secret!r}", repr(secret)[1:-1]),
        (f"{{'name': 'DB_PASSWORD', 'value': {secret!r}}}", repr(secret)[1:-1]),
        (f"api_key [type=string, input_value={secret!r}]", repr(secret)[1:-1]),
        (f"Incorrect API key provided: {secret}", secret),
        (f"token {in_query.replace(chr(39), '-')!r} is not valid", in_query.replace("'", "-")),
        (f"auth=('me', {secret!r})", repr(secret)[1:-1]),
        (f"curl -ume:{secret}", secret),
        (
            f"https://api.telegram.org/bot12345:{re.sub('[^A-Za-z]', '-', secret)}/send",
            re.sub("[^A-Za-z]", "-", secret),
        ),
        (f"https://outlook.office.com/webhook/{in_query}", in_query),
        (f"?password%3D{re.sub('[&#%]', '-', in_query)}", re.sub("[&#%]", "-", in_query)),
        (f"\n  password {secret}", secret),
        (f"Authorization: Bearer\n {secret}", secret),
        (f"PHPSESSID={secret}", secret),
        (f"jwt={secret}", secret),
        (f"https://hooks.slack.com/services/T0/B0/{in_query}", in_query),
        (json.dumps({"x": json.dumps({"password": in_query})}), json.dumps(json.dumps(in_query)[1:-1])[1:-1]),
    ):
        told = redact(f"{before} {place} {after}")
        assert hidden not in told
        assert "***" in told
        assert told.startswith(before)


@pytest.mark.parametrize(
    ("token", "secret"),
    [
        ("pnu_0123456789abcdef0123456789abcdef0123", "0123456789"),
        ("hf_ABCDEFGHabcdefghABCDEFGHabcdefgh12", "ABCDEFGH"),
        ("ghp_0123456789abcdefABCDEF0123456789abcd", "0123456789"),
        ("podcast:0123456789abcdefABCDEF01234567-_", "abcdefABCDEF"),
        ("sk-proj-abcdefgh1jklmnopqrstuv", "jklmnop"),
        ("hvs.CAESIJabcdefghABCDEFGHabcdefgh12", "CAESIJ"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("Basic YWRtaW46c2VjcmV0", "YWRtaW46c2VjcmV0"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----", "IBAAKC"),
    ],
)
def test_what_is_a_secret_by_its_form_never_comes_out(token: str, secret: str) -> None:
    """Wherever it stands."""
    for line in (token, f"got {token} from there", f"({token})", f'"{token}"'):
        assert secret not in redact(line)


@pytest.mark.parametrize(
    "part",
    ["://a:", "token", "password=\"", "key-", "&key", "bearer ", "--token ", "-----BEGIN PRIVATE KEY-----", "hf_", "a@",
     "authorization", "x=\\\"", " ", "://", "secret=' ",
     "<password ", "<password>", "login a password ", "-u ", "%3a%2f%2f", "password: |\n ",
     "//discord.com/api/webhooks/", "sk-", "SG.", "-sk-a", "%3D", "auth=('", "input_value='", "token '", "\n password ",
     "password', ", "otp]", "api key: ", "sshpass -p", "/bot1234:", "authorization: \n x"],
)  # fmt: skip
def test_redaction_costs_no_more_than_the_length_of_a_text(part: str) -> None:
    """So many characters take half a second of processor time; with a step for each pair it would be many minutes."""
    text = part * (250_000 // len(part))
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 60


@given(plain)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    """Also with addresses, numbers, times and takes in it."""
    for line in (
        text,
        f"{text} http://127.0.0.1:4200/api/flows?limit=5&design=x {text}",
        f"{text} s3://bucket/prefix/job/takes me@example.org {text}",
        f"{text} http://host:80/users/me@example.org {text}",
        "secret-garden: done",
        "12 of 40, tokens=1024 max_tokens=300",
        "the-secret-life-of-bees: 30 chunks and more",
        "The Tokenizer: loads its vocabulary",
        "token: 12 of 40",
        "secretary: Ann, bearer of bad news, Basic Instincts, sk-learn-something, npm_config_cache=/tmp",
        f"manifests/dune.md:14: {text} takes/00ff.flac key 00ff seed=0 at 2026-01-31T23:00:00+01:00",
    ):
        assert redact(line) == line


def test_ours_are_logged_from_info_and_others_from_warning(tmp_path: Path) -> None:
    """Each line with its time and the offset from UTC."""
    assert log_to(tmp_path, "render") is None
    assert log_to(tmp_path, "render") is None  # not twice
    logging.getLogger("pipeline.takes.plan").info("a take of %s", "Ann")
    logging.getLogger("pipeline.takes.plan").debug("too much")
    logging.getLogger("pipelines").info("somebody else's")
    logging.getLogger("somebody.else").warning("lost")
    lines = (tmp_path / "logs/render.log").read_text().splitlines()
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
    assert [re.sub(time, "TIME", line) for line in lines] == [
        "TIME INFO pipeline.takes.plan: a take of Ann",
        "TIME WARNING somebody.else: lost",
    ]


def test_secrets_in_arguments_and_tracebacks_are_hidden_too(tmp_path: Path) -> None:
    """Whatever part of the record they come in by."""
    log_to(tmp_path, "render")
    log = logging.getLogger("pipeline.takes.store")
    log.warning("cannot reach %s", "s3://me:hunter2222@host/takes")
    try:
        raise OSError("https://host/x?X-Amz-Credential=hunter2222&y=1")
    except OSError:
        log.exception("failed")
    written = (tmp_path / "logs/render.log").read_text()
    assert "OSError: https://host/x?X-Amz-Credential=***&y=1" in written
    assert "hunter2222" not in written


def test_warnings_are_seen_on_a_terminal_too(tmp_path: Path) -> None:
    """Those of this package, without their secrets and tracebacks."""
    script = """
import logging, pathlib
from pipeline.logs import log_to
log_to(pathlib.Path.cwd(), "watch")
ours = logging.getLogger("pipeline.takes.store")
ours.warning("cannot reach %s", "s3://me:hunter2222@host/takes")
ours.info("a take")
try:
    raise OSError("a traceback")
except OSError:
    ours.exception("failed")
logging.getLogger("somebody.else").warning("lost")
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stderr == "cannot reach s3://***@host/takes\n"
    assert (tmp_path / "logs/watch.log").read_text().count("\n") >= 5


def test_files_rotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five of at most so many bytes, the newest without a number."""
    monkeypatch.setattr(logs, "FILE_BYTES", 100_000)
    log_to(tmp_path, "render")
    log = logging.getLogger("pipeline")
    for number in range(70):
        log.info("%d %s", number, "x" * 9_900)
    files = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert files == ["render.log", *(f"render.log.{number}" for number in range(1, FILES))]
    assert all(90_000 < path.stat().st_size <= 100_000 for path in (tmp_path / "logs").iterdir())
    assert "pipeline: 69 " in (tmp_path / "logs/render.log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does it say anything on the terminal."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/render.log").symlink_to("/dev/full")
    assert log_to(tmp_path, "render") is None
    logging.getLogger("pipeline").warning("lost")
    assert capsys.readouterr() == ("", "")


def test_a_pipe_in_its_place_is_told(tmp_path: Path) -> None:
    """And not waited for."""
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs/render.log")
    problem = log_to(tmp_path, "render")
    assert problem is not None
    assert "a pipe stands in its place" in problem.what


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The place and what to make of it; nothing is raised."""
    (tmp_path / "file").touch()
    problem = log_to(tmp_path / "file", "render")
    assert problem is not None
    assert str(problem).startswith(str(tmp_path / "file/logs/render.log"))
    logging.getLogger("pipeline").warning("goes nowhere")
