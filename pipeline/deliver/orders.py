"""Orders: which files a manifest asks for, what they are called, where they go and what their tags say.

In: a manifest's presets and joined chapters. Out: an `Order` for each file. Encodes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from pipeline.deliver.chapters import ChapterAudio
from pipeline.deliver.mastering import Timeline, mastering, timeline
from pipeline.deliver.tags import Tags
from pipeline.files import content_key, safe_name
from pipeline.source.manifest import Manifest
from pipeline.source.presets import Preset
from pipeline.words import ordinal
from pipeline.workspace import Workspace

_VERSION = 4  # raised whenever a file made of the same chapters would come out differently


@dataclass(frozen=True)
class Cover:
    """The picture of a book or episode."""

    data: bytes
    mime: str
    size: tuple[int, int]  # pixels

    @property
    def suffix(self) -> str:
        """The suffix of its file name, with the dot."""
        return ".png" if self.mime == "image/png" else ".jpg"


@dataclass(frozen=True)
class Order:
    """A file that a manifest asks for, and all that decides what will be in it."""

    path: Path
    preset: Preset
    chapters: tuple[ChapterAudio, ...]
    tags: Tags
    marks: bool  # whether chapter marks go into it

    @cached_property
    def timeline(self) -> Timeline:
        """Where its chapters will lie."""
        return timeline(self.chapters, self.preset)

    @property
    def audio_s(self) -> float:
        """Seconds the file will last, with head, gaps and tail."""
        return self.timeline.duration_s

    @property
    def mastering(self) -> Hashable:
        """Groups orders: those with an equal value are encodings of one mastered stream."""
        return (tuple(chapter.path for chapter in self.chapters), mastering(self.preset))

    @property
    def key(self) -> str:
        """Hashes all that can change the file or what lies beside it."""
        cover = content_key((self.tags.cover or b"").hex())
        return content_key(
            {
                "version": _VERSION,
                "preset": self.preset.model_dump(),
                "chapters": [[chapter.key, chapter.title] for chapter in self.chapters],
                "tags": asdict(replace(self.tags, cover=None)) | {"cover": cover},
                "marks": self.marks,
            }
        )


def plan_orders(
    manifest: Manifest,
    chapters: Sequence[ChapterAudio],
    total_chapters: int,
    narrator: str,
    cover: Cover | None,
    workspace: Workspace,
) -> list[Order]:
    """The files a manifest asks for. Of an incomplete job only the files whose chapters are all there."""
    orders = []
    whole = len(chapters) == total_chapters
    for preset in manifest.deliver:
        folder = workspace.home / preset.preset / book_folder(manifest)
        in_one = preset.files == "one" or (preset.files is None and manifest.kind == "podcast")
        if in_one and whole:
            part = _number(manifest.part)
            label = manifest.episode_label or (ordinal(part, part) if part else "")
            prefix = f"{label} - " if label else ""
            path = folder / f"{prefix}{safe_name(manifest.title)}.{preset.format}"
            tags = _tags(manifest, manifest.title, narrator, cover)
            orders.append(Order(path, preset, tuple(chapters), tags, marks=True))
        if not in_one:
            for chapter in chapters:
                number = ordinal(chapter.number, total_chapters)
                path = folder / f"{number} - {safe_name(chapter.title)}.{preset.format}"
                tags = replace(
                    _tags(manifest, chapter.title, narrator, cover), track=chapter.number, tracks=total_chapters
                )
                orders.append(Order(path, preset, (chapter,), tags, marks=False))
    return orders


def book_folder(manifest: Manifest) -> Path:
    """`Author/Title`, `Author/Series/Vol 2 - Title` as Audiobookshelf reads them, or `Author/Show/S02E12 - Title`."""
    title = safe_name(manifest.title)
    if manifest.episode_label:
        title = safe_name(f"{manifest.episode_label} - {title}")
    author = safe_name(manifest.author) if manifest.author else "Unknown author"
    if not manifest.series:
        return Path(author, title)
    return Path(
        author, safe_name(manifest.series), safe_name(f"Vol {manifest.part} - {title}") if manifest.part else title
    )


def _number(part: str) -> int:
    """A part's number, as far as a track number can hold it; else 0."""
    return int(part) if part.isdecimal() and len(part) <= 4 else 0


def _tags(manifest: Manifest, title: str, narrator: str, cover: Cover | None) -> Tags:
    return Tags(
        title=title,
        album=(manifest.series if manifest.kind == "podcast" else "") or manifest.title,
        artist=manifest.author,
        narrator=narrator,
        genre="Podcast" if manifest.kind == "podcast" else "Audiobook",
        year=manifest.year,
        track=manifest.episode or _number(manifest.part),
        tracks=0,
        season=manifest.season or 0,
        episode=manifest.episode,
        series=manifest.series,
        part=manifest.part,
        description=manifest.description,
        language=manifest.language,
        cover=cover.data if cover else None,
        cover_mime=cover.mime if cover else "",
    )
