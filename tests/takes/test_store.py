"""Takes on disk: what is damaged is noticed and set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.files import read_json, write_record
from pipeline.jobs.job import Job
from pipeline.takes.render import render_takes
from pipeline.takes.store import TakeStore


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


@pytest.mark.parametrize(
    "said",
    [{"spans": [[0, 1e308]]}, {"spans": [[-1, 0.1]]}, {"spans": [[0.2, 0.1]]}, {"spans": []}, {"sample_rate_hz": 0}],
)
def test_a_record_that_says_what_cannot_be_is_damaged(job: Job, said: dict[str, object]) -> None:
    """Even where its checksum is right, as that of another program may be."""
    first = render_takes(job.takes, job.engine, job.store)
    key = job.takes[1].key
    record = job.store.folder / f"{key}.json"
    write_record(record, {name: value for name, value in (read_json(record) | said).items() if name != "check"})
    again = render_takes(job.takes, job.engine, job.store)
    assert (again.rendered, again.takes[key]) == (1, first.takes[key])


def test_takes_that_were_exchanged_are_not_taken_for_each_other(job: Job) -> None:
    """Both are whole, and each says whose it is: the name of a file proves nothing."""
    first = render_takes(job.takes, job.engine, job.store)
    one, other = (plan.key for plan in job.takes[:2])
    for suffix in (".flac", ".json"):
        a, b = (job.store.folder / f"{key}{suffix}" for key in (one, other))
        a.rename(held := a.with_name("held"))
        b.rename(a)
        held.rename(b)
    assert job.store.find(one) is None
    again = render_takes(job.takes, job.engine, job.store)
    assert again.rendered == 2
    assert {key: take.pcm_sha256 for key, take in again.takes.items()} == {
        key: take.pcm_sha256 for key, take in first.takes.items()
    }


def test_a_store_that_is_not_there_has_no_takes(tmp_path: Path) -> None:
    """As before the first render."""
    assert TakeStore(tmp_path / "nowhere").keys() == set()
