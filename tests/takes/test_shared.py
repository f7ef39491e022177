"""Takes in an object store: machines share them, and whatever the store does, no take is lost and no work stops."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import fsspec
import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from pipeline.engines import TRAITS, Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.jobs.job import Job
from pipeline.takes.judging import Judging
from pipeline.takes.outcome import TakesDone
from pipeline.takes.plan import explain
from pipeline.takes.render import render_takes
from pipeline.takes.shared import check_shared, without_credentials
from pipeline.takes.store import TakeStore


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    """An S3 server on a free port of this machine."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def bucket(server: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket in it; the environment says how to get there."""
    host, port = server.get_host_and_port()
    _use(monkeypatch, f"http://{host}:{port}")
    name = f"test-{uuid4().hex}"
    _s3().mkdir(name)
    return f"s3://{name}"


def _use(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def _s3() -> Any:
    return fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)


class _Counting(ToneEngine):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for rendered in super().render(requests):
            self.asked.append(rendered.request.key)
            yield rendered


def _machine(tmp_path: Path, name: str, url: str | None) -> TakeStore:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    return TakeStore(folder, url)


def _hashes(done: TakesDone) -> dict[str, str]:
    return {key: take.pcm_sha256 for key, take in done.takes.items()}


def test_two_machines_render_each_take_once(job: Job, bucket: str, tmp_path: Path) -> None:
    """One is stopped after two takes and the other goes on; then both have all of them, the same."""
    url, engine = f"{bucket}/night/job/takes", _Counting()
    longest = sorted(job.takes, key=lambda plan: -plan.chunk.spoken_bytes)
    render_takes(longest[:2], engine, _machine(tmp_path, "one", url))
    second = render_takes(job.takes, engine, _machine(tmp_path, "two", url))
    assert (second.rendered, second.reused, second.unshared) == (2, 2, None)
    first = render_takes(job.takes, engine, _machine(tmp_path, "one", url))
    assert (first.rendered, first.reused, first.unshared) == (0, 4, None)
    assert sorted(engine.asked) == sorted(plan.key for plan in job.takes)
    assert _hashes(first) == _hashes(second)
    names = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert names[0] == names[1]


def test_a_take_that_is_only_here_is_put_there(job: Job, bucket: str, tmp_path: Path) -> None:
    """By the next run, which renders nothing."""
    render_takes(job.takes, job.engine, _machine(tmp_path, "one", None))
    done = render_takes(job.takes, job.engine, _machine(tmp_path, "one", f"{bucket}/takes"))
    assert (done.rendered, done.reused) == (0, 4)
    assert _machine(tmp_path, "two", f"{bucket}/takes").keys() == {plan.key for plan in job.takes}


def test_the_plan_knows_of_takes_that_can_be_fetched(job: Job, bucket: str, tmp_path: Path) -> None:
    """And fetches none."""
    render_takes(job.takes[1:], job.engine, _machine(tmp_path, "one", f"{bucket}/takes"))
    store = _machine(tmp_path, "two", f"{bucket}/takes")
    assert [action for _plan, action, _reason in explain(job.takes, store)] == ["render", *["reuse"] * 3]
    assert list(store.folder.iterdir()) == []


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


@pytest.mark.parametrize("suffix", [".flac", ".json"])
@pytest.mark.parametrize("damage", [_cut, _flip])
def test_a_take_that_is_damaged_there_is_rendered_and_replaced(
    job: Job, tmp_path: Path, suffix: str, damage: Any
) -> None:
    """It alone; a third machine then fetches all."""
    url = (tmp_path / "shared").as_uri()
    first = render_takes(job.takes, job.engine, _machine(tmp_path, "one", url))
    path = tmp_path / "shared" / f"{job.takes[2].key}{suffix}"
    path.write_bytes(damage(path.read_bytes()))
    second = render_takes(job.takes, job.engine, _machine(tmp_path, "two", url))
    assert (second.rendered, second.reused, second.unshared) == (1, 3, None)
    third = render_takes(job.takes, job.engine, _machine(tmp_path, "three", url))
    assert (third.rendered, third.reused) == (0, 4)
    assert _hashes(first) == _hashes(second) == _hashes(third)


def test_a_take_that_is_damaged_here_is_fetched(job: Job, bucket: str, tmp_path: Path) -> None:
    """Nothing is rendered for it."""
    url = f"{bucket}/takes"
    render_takes(job.takes, job.engine, _machine(tmp_path, "one", url))
    sound = tmp_path / "one" / f"{job.takes[0].key}.flac"
    whole = sound.read_bytes()
    sound.write_bytes(_cut(whole))
    assert render_takes(job.takes, job.engine, _machine(tmp_path, "one", url)).rendered == 0
    assert sound.read_bytes() == whole


class _Until(ToneEngine):
    """Stops the server when it has spoken two requests."""

    def __init__(self, server: ThreadedMotoServer, url: str) -> None:
        self.server = server
        self.url = url

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for count, rendered in enumerate(super().render(requests)):
            if count == 2:
                self.server.stop()
            yield rendered


@pytest.mark.slow
def test_a_server_that_stops_midway_costs_nothing_but_the_copies(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every take is finished here, it is told once, and the next run puts there what is missing."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    _use(monkeypatch, f"http://{host}:{port}")
    _s3().mkdir("night")
    url = "s3://night/takes"
    done = render_takes(job.takes, _Until(running, url), _machine(tmp_path, "one", url))
    assert (done.rendered, done.failed) == (4, ())
    assert done.unshared is not None
    assert done.unshared.where == url
    assert "cannot be written" in done.unshared.what
    assert "Run the same command again: it puts them there." in done.unshared.next
    again = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    again.start()
    try:
        _s3().mkdirs("night", exist_ok=True)
        more = render_takes(job.takes, job.engine, _machine(tmp_path, "one", url))
        assert (more.rendered, more.reused, more.unshared) == (0, 4, None)
        assert _machine(tmp_path, "two", url).keys() == {plan.key for plan in job.takes}
    finally:
        again.stop()


@pytest.mark.slow
def test_without_a_server_the_night_goes_on_here(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan too; no credentials are told."""
    _use(monkeypatch, "http://127.0.0.1:9")
    store = _machine(tmp_path, "one", "s3://night/takes")
    assert store.keys() == set()
    done = render_takes(job.takes, job.engine, store)
    assert (done.rendered, done.failed) == (4, ())
    assert store.keys() == {plan.key for plan in job.takes}
    assert done.unshared is not None
    assert "cannot be listed" in done.unshared.what
    assert "hunter2" not in str(done.unshared)


def test_a_bucket_there_is_not_is_told(job: Job, bucket: str, tmp_path: Path) -> None:
    """The takes stay here."""
    done = render_takes(job.takes, job.engine, _machine(tmp_path, "one", f"{bucket}-not/takes"))
    assert done.rendered == 4
    assert done.unshared is not None
    assert done.unshared.where == f"{bucket}-not/takes"


def test_the_first_machine_ends_early(job: Job, bucket: str, tmp_path: Path) -> None:
    """What stops it is raised at once, and what it saved can be had by the next run."""

    class _Stopping(ToneEngine):
        def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
            yield from islice(super().render(requests), 2)
            raise KeyboardInterrupt

    store = _machine(tmp_path, "one", f"{bucket}/takes")
    with pytest.raises(KeyboardInterrupt):
        render_takes(job.takes, _Stopping(), store)
    saved = len(store.keys())
    assert 0 < saved < 4
    assert render_takes(job.takes, job.engine, _machine(tmp_path, "one", f"{bucket}/takes")).rendered == 4 - saved
    assert _machine(tmp_path, "two", f"{bucket}/takes").keys() == {plan.key for plan in job.takes}


@given(
    here=st.sets(st.integers(0, 3)),
    there=st.sets(st.integers(0, 3)),
    damaged_here=st.sets(st.integers(0, 3)),
    damaged_there=st.sets(st.integers(0, 3)),
)
@hypothesis.settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_here_and_there_both_end_whole(
    job: Job, here: set[int], there: set[int], damaged_here: set[int], damaged_there: set[int]
) -> None:
    """Only what is whole in neither is rendered."""
    damaged_here, damaged_there = damaged_here & here, damaged_there & there
    with TemporaryDirectory() as root:
        url, local, other = (Path(root) / "shared").as_uri(), Path(root) / "here", Path(root) / "other"
        for folder in (local, other):
            folder.mkdir()
        render_takes([job.takes[index] for index in here], job.engine, TakeStore(local))
        render_takes([job.takes[index] for index in there], job.engine, TakeStore(other, url))
        for folder, indices in ((local, damaged_here), (Path(root) / "shared", damaged_there)):
            for index in indices:
                sound = folder / f"{job.takes[index].key}.flac"
                sound.write_bytes(_flip(sound.read_bytes()))
        done = render_takes(job.takes, job.engine, TakeStore(local, url))
        assert done.rendered == 4 - len((here - damaged_here) | (there - damaged_there))
        assert (done.unshared, len(done.takes)) == (None, 4)
        # One that is whole here is not fetched, so that damage to it there is not seen before somebody fetches it.
        unseen = len(damaged_there & (here - damaged_here))
        third = Path(root) / "third"
        third.mkdir()
        assert render_takes(job.takes, job.engine, TakeStore(third, url)).rendered == unseen


@pytest.mark.parametrize(
    ("url", "what", "advice"),
    [
        ("nowhere://bucket/takes", "Protocol not known: nowhere", "s3://bucket/takes"),
        ("adl://bucket/takes", "adlfs", "Install what it needs"),
    ],
)
def test_a_url_that_is_no_store_is_told_before_anything_starts(url: str, what: str, advice: str) -> None:
    """With what to do."""
    problem = check_shared(url)
    assert problem is not None
    assert problem.where == url
    assert what in problem.what
    assert advice in problem.next


def test_a_library_that_is_missing_is_named(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything starts; and a night that runs without it all the same loses nothing."""
    known = importlib.import_module("fsspec.registry")._registry  # what it has imported before
    monkeypatch.delitem(known, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    problem = check_shared("s3://user:hunter2@bucket/takes")
    assert problem is not None
    assert problem.where == "s3://bucket/takes"
    assert "pip install --editable '.[s3]'" in problem.next
    done = render_takes(job.takes, job.engine, _machine(tmp_path, "one", "s3://bucket/takes"))
    assert done.rendered == 4
    assert done.unshared is not None
    assert done.unshared.next == problem.next


def test_a_url_of_a_store_is_no_problem(tmp_path: Path) -> None:
    """Whether it answers is not asked."""
    assert check_shared("s3://bucket/takes") is None
    assert check_shared(tmp_path.as_uri()) is None
    assert check_shared(str(tmp_path)) is None


@given(user=st.text("abc-._~%+/?", max_size=8), secret=st.text("XYZ-._~%+/?@:", min_size=1, max_size=12))
def test_credentials_are_never_told(user: str, secret: str) -> None:
    """Nor those of a signed query."""
    shown = without_credentials(f'no "s3://{user}:{secret}@bucket/takes" there')
    assert shown == 'no "s3://bucket/takes" there'
    assert without_credentials("https://host/takes?X-Amz-Signature=abc&x=1") == "https://host/takes"
    assert without_credentials("s3://bucket/me@home/takes") == "s3://bucket/me@home/takes"


def test_attempts_are_shared_and_lead_to_the_same_choice(job: Job, bucket: str, tmp_path: Path) -> None:
    """The other machine judges what is there, and renders nothing."""

    class _ClippingAtFirst(ToneEngine):
        def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
            first = {plan.request.seed for plan in job.takes[:2]}
            for rendered in super().render(requests):
                assert isinstance(rendered, Rendered)
                loud = rendered.request.seed in first
                yield replace(rendered, pcm=(rendered.pcm * 20).clip(-1, 1)) if loud else rendered

    judging = Judging(ignored=TRAITS["tone"].unlike_speech)
    url = f"{bucket}/takes"
    one, two = (_machine(tmp_path, name, url) for name in ("one", "two"))
    first = render_takes(job.takes, _ClippingAtFirst(), one, judging=judging)
    assert (first.rendered, first.retaken, len(one.keys())) == (4, 2, 6)
    second = render_takes(job.takes, _ClippingAtFirst(), two, judging=judging)
    assert second.rendered == 0
    assert {key: take.key for key, take in second.takes.items()} == {key: take.key for key, take in first.takes.items()}
    assert _hashes(second) == _hashes(first)
