"""Disk: how much space a job will need, estimated before it starts.

In: a checked job. Out: bytes, a little more than will be used, as lengths are known only once something is rendered.
What is finished already needs nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.deliver.chapters import ChapterAudio
from pipeline.deliver.orders import Order, plan_orders
from pipeline.errors import Problem
from pipeline.files import storage_errors
from pipeline.jobs.job import Job
from pipeline.source.presets import Preset
from pipeline.source.script import Chapter
from pipeline.takes.plan import missing_attempts
from pipeline.takes.store import TakeStore
from pipeline.words import size_text

# FLAC in 24 bits, as a part of PCM. Measured: 0.15 for tones, 0.38 for the draft voice; 0.69 for a deliverable of it,
# whose room tone is noise. A network's sound has noise in its lowest bits, so it is taken for more than the draft's.
_TAKE_RATIO, _DELIVERED_RATIO = 0.6, 0.75
_PCM_BYTES = 3
_AGAIN = 0.15  # of takes are made again, and stay beside those that stand; clean takes of the draft voice: none
_RECORD_BYTES = 8 << 10  # a take's JSON, and what two files lose in their last blocks
_TEXT_BYTES_PER_S = 150  # transcripts beside a deliverable, a chapter's times: 80 to 110 in the examples
_FILE_BYTES = 32 << 10  # tags, chapter marks and block sizes of a deliverable
_BETWEEN_PIECES_S = 0.35
_MARGIN, _LEAST_MARGIN = 0.05, 50_000_000


@dataclass(frozen=True)
class DiskEstimate:
    """Bytes that a job will add to the disk, by what they are for."""

    takes: int
    chapters: int
    deliverables: int
    temporary: int  # the largest file while it is written beside the one it replaces

    @property
    def total(self) -> int:
        """What the disk has to have free, without a margin."""
        return self.takes + self.chapters + self.deliverables + self.temporary


def estimate(job: Job) -> DiskEstimate:
    """The space that the missing takes and files of a job will need; nothing for those that are finished."""
    store = TakeStore(job.workspace.takes)
    finished = store.keys()  # not of a shared store: what is fetched needs room as well
    wanted = [(plan, missing_attempts(plan, finished, store)) for plan in job.takes]
    missing = [(plan, attempts) for plan, attempts in wanted if attempts]
    pcm_rate = job.engine.sample_rate_hz * _PCM_BYTES
    takes = round(
        sum(
            attempts * (_RECORD_BYTES + plan.estimated_s * pcm_rate * _TAKE_RATIO) * (1 + _AGAIN)
            for plan, attempts in missing
        )
    )
    stale = {plan.chunk.chapter for plan, _attempts in missing}
    chapters = [_expected(job, index) for index in range(len(job.script.chapters))]
    joined = {}
    for index, chapter in enumerate(chapters):
        if index in stale or not chapter.path.is_file():
            size = chapter.audio_s * (pcm_rate * _TAKE_RATIO + _TEXT_BYTES_PER_S)
            joined[chapter.path] = _FILE_BYTES + round(size)
    delivered = {}
    for order in plan_orders(job.manifest, chapters, len(chapters), "", job.cover, job.workspace):
        if not order.path.is_file() or any(chapter.path in joined for chapter in order.chapters):
            delivered[order.path] = _delivered_bytes(order)
    replaced = [size for path, size in (joined | delivered).items() if path.is_file()]
    return DiskEstimate(takes, _growth(joined), _growth(delivered), max(replaced, default=0))


def disk_problem(job: Job, estimated: DiskEstimate) -> Problem | None:
    """What to say where the disk has too little room. Raises `StorageError` where the disk cannot be asked."""
    if not estimated.total:
        return None
    needed = estimated.total + max(round(estimated.total * _MARGIN), _LEAST_MARGIN)
    folder = job.workspace.root
    with storage_errors(folder):
        with tempfile.TemporaryFile(dir=_nearest(folder)):  # where nothing can be written, room is not what is lacking
            pass
        free = shutil.disk_usage(_nearest(folder)).free
    if free >= needed:
        return None
    what = f"about {size_text(needed)} are needed and {size_text(free)} are free."
    return Problem(
        str(folder), what, "Make room, choose another folder with --out, or try all the same with --no-disk-check."
    )


def _nearest(folder: Path) -> Path:
    """The nearest folder that is there already."""
    folder = folder.absolute()
    return next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)


def _growth(files: dict[Path, int]) -> int:
    """What files add to those they replace."""
    return sum(max(size - (path.stat().st_size if path.is_file() else 0), 0) for path, size in files.items())


def _expected(job: Job, index: int) -> ChapterAudio:
    """A chapter as it will be, as far as its text gives it away."""
    chapter = job.script.chapters[index]
    plans = job.takes_by_chapter.get(index, ())
    pieces = sum(len(plan.chunk.pieces) for plan in plans)
    seconds = sum(plan.estimated_s for plan in plans) + pieces * _BETWEEN_PIECES_S + _pauses_s(job, chapter)
    rate = job.engine.sample_rate_hz
    path = job.workspace.chapter(index + 1, len(job.script.chapters), chapter.title)
    return ChapterAudio(index + 1, chapter.title, path, "", rate, round(seconds * rate), (), ())


def _pauses_s(job: Job, chapter: Chapter) -> float:
    pauses = job.manifest.pauses
    by_border = {"chapter": 0.0, "turn": pauses.turn_s, "paragraph": pauses.paragraph_s}
    between = (
        by_border.get(turn.border, pauses.scene_s) if turn.pause_s is None else turn.pause_s for turn in chapter.turns
    )
    return sum(between) + chapter.end_pause_s


def _delivered_bytes(order: Order) -> int:
    """A deliverable with its cover, inside and beside it, and its transcripts."""
    cover = 2 * len(order.tags.cover or b"")
    rate = _bytes_per_s(order.preset) + _TEXT_BYTES_PER_S
    return round(order.audio_s * rate) + cover + _FILE_BYTES


def _bytes_per_s(preset: Preset) -> float:
    pcm = preset.sample_rate_hz * _PCM_BYTES
    if preset.format in ("mp3", "m4b"):
        return preset.bitrate_kbps * 1000 / 8 * 1.03  # and what the container adds
    return pcm * (_DELIVERED_RATIO if preset.format == "flac" else 1.0)
