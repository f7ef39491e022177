"""Takes are keyed by content, saved at once, and never trusted blindly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import SCRIPT, MakeJob
from pipeline.engines import Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.job import Job, open_job
from pipeline.settings import Settings
from pipeline.takes import TakeStore, explain, render_takes


@pytest.fixture
def job(make_job: MakeJob, settings: Settings) -> Job:
    opened = open_job(make_job(), settings, engine="tone")
    opened.workspace.create()
    return opened


def test_a_finished_take_is_not_rendered_again(job: Job) -> None:
    """Nor touched."""
    first = render_takes(job.takes, job.engine, job.store)
    assert (first.rendered, first.reused) == (len(job.takes), 0)
    before = {path: path.stat().st_mtime_ns for path in job.store.folder.iterdir()}
    second = render_takes(job.takes, job.engine, job.store)
    assert (second.rendered, second.reused) == (0, len(job.takes))
    assert {path: path.stat().st_mtime_ns for path in job.store.folder.iterdir()} == before
    assert {key: take.pcm_sha256 for key, take in first.takes.items()} == {
        key: take.pcm_sha256 for key, take in second.takes.items()
    }


class _Dying(ToneEngine):
    """Speaks two requests, then the power fails."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for count, rendered in enumerate(super().render(requests)):
            if count == 2:
                raise KeyboardInterrupt
            yield rendered


def test_each_take_is_on_disk_before_the_next_is_rendered(job: Job) -> None:
    """Whatever ends the loop, what was finished stays."""
    with pytest.raises(KeyboardInterrupt):
        render_takes(job.takes, _Dying(), job.store)
    assert job.store.keys() == {plan.key for plan in job.takes[:2]}
    assert render_takes(job.takes, job.engine, job.store).reused == 2


class _Choking(ToneEngine):
    """Cannot say one of the chunks, and makes another silent."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        for count, rendered in enumerate(super().render(requests)):
            assert isinstance(rendered, Rendered)
            if count == 0:
                yield Failed(rendered.request, "it is a tongue twister.")
            else:
                yield replace(rendered, pcm=rendered.pcm * 0) if count == 1 else rendered


def test_a_chunk_that_fails_does_not_stop_the_others(job: Job) -> None:
    """It is told of, with its place; silence counts as failure."""
    done = render_takes(job.takes, _Choking(), job.store)
    assert done.rendered == len(job.takes) - 2
    assert [problem.where for problem in done.failed] == [plan.where for plan in job.takes[:2]]
    assert "tongue twister" in done.failed[0].what
    assert "silent" in done.failed[1].what


@pytest.mark.parametrize("damage", ["truncate", "flip", "no json", "bad json", "half json", "no sound"])
def test_a_damaged_take_is_noticed_and_set_aside(job: Job, damage: str) -> None:
    """And rendered again, to the same samples."""
    first = render_takes(job.takes, job.engine, job.store)
    key = job.takes[1].key
    sound, record = job.store.folder / f"{key}.flac", job.store.folder / f"{key}.json"
    match damage:
        case "truncate":
            sound.write_bytes(sound.read_bytes()[:-100])
        case "flip":
            data = bytearray(sound.read_bytes())
            data[len(data) // 2] ^= 1
            sound.write_bytes(data)
        case "no json":
            record.unlink()
        case "bad json":
            record.write_text("{")
        case "half json":
            record.write_text(json.dumps({"file_sha256": 3}))
        case "no sound":
            sound.unlink()
    again = render_takes(job.takes, job.engine, job.store)
    assert again.rendered == 1
    assert again.takes[key].pcm_sha256 == first.takes[key].pcm_sha256
    if damage in ("truncate", "flip"):
        assert sound.with_name(sound.name + ".damaged").exists()


def test_a_line_said_twice_is_two_performances(make_job: MakeJob, settings: Settings) -> None:
    """Identical chunks have keys of their own, and inserting a chapter before them changes none."""
    line = "**Ann:** This line is long enough to stand alone in a chunk of its own, as every chapter border is hard."
    two = open_job(make_job(f"# A\n\n{line}\n\n# B\n\n{line}\n"), settings, engine="tone")
    assert len({plan.key for plan in two.takes}) == 2
    more = open_job(make_job(f"# New\n\nSomething.\n\n# A\n\n{line}\n\n# B\n\n{line}\n"), settings, engine="tone")
    assert {plan.key for plan in two.takes} < {plan.key for plan in more.takes}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "finished"),
        ({"seed": 5}, "seed"),
        ({"cast": {"Ann": "hugo"}}, "voice"),
        ({"seed": 5, "cast": {"Ann": "hugo"}}, "voice, seed"),
        ({"cast": {"Ann": "hugo", "Bob": "ben"}}, "voice"),
        ({"title": "Another title"}, "finished"),
        ({"pauses": {"turn_s": 2}}, "finished"),
    ],
)
def test_the_plan_says_why(make_job: MakeJob, settings: Settings, change: dict[str, object], reason: str) -> None:
    """Nothing but what changes the sound makes a take new."""
    base = {"cast": {"Ann": "ada", "Bob": "ben"}}
    job = open_job(make_job(**base), settings, engine="tone")
    job.workspace.create()
    assert {reason for _plan, _action, reason in explain(job.takes, job.store)} == {"new"}
    render_takes(job.takes, job.engine, job.store)
    changed = open_job(make_job(**(base | change)), settings, engine="tone")
    explained = explain(changed.takes, changed.store)
    with_ann = [why for plan, _action, why in explained if any(p.speaker == "Ann" for p in plan.chunk.pieces)]
    assert set(with_ann) == {reason}


def test_an_edit_renders_only_its_chunk(make_job: MakeJob, settings: Settings) -> None:
    """And the reason is the text; another engine is another reason."""
    job = open_job(make_job(), settings, engine="tone")
    job.workspace.create()
    render_takes(job.takes, job.engine, job.store)
    edited = open_job(make_job(SCRIPT.replace("shorter", "longer")), settings, engine="tone")
    answers = [(action, reason) for _plan, action, reason in explain(edited.takes, edited.store)]
    assert answers.count(("render", "text")) == 1
    assert answers.count(("reuse", "finished")) == len(answers) - 1
    drafted = open_job(make_job(), settings, engine="draft")
    assert {reason for _plan, _action, reason in explain(drafted.takes, drafted.store)} <= {"voice, engine", "engine"}


def test_a_store_that_is_not_there_has_no_takes(tmp_path: Path) -> None:
    """As before the first render."""
    assert TakeStore(tmp_path / "nowhere").keys() == set()
