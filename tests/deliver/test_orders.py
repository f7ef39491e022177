"""What finished files are called, and what their tags say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.deliver.chapters import ChapterAudio
from pipeline.deliver.orders import Order, plan_orders
from pipeline.source.manifest import load_manifest
from pipeline.workspace import Workspace


def orders(folder: Path, keys: str, chapters: int = 2) -> list[Order]:
    """Those of a manifest with these lines."""
    path = folder / "job.yaml"
    path.write_text(f"title: The Door\nscript: job.md\nauthor: Ann\n{keys}\n")
    manifest, problems = load_manifest(path)
    assert problems == []
    joined = [
        ChapterAudio(n, f"Part {n}", Path(f"{n}.flac"), str(n), 24000, 10, (), ()) for n in range(1, chapters + 1)
    ]
    return plan_orders(manifest, joined, chapters, "", None, Workspace(folder, "job"))


def names(folder: Path, keys: str, chapters: int = 2) -> list[str]:
    """Where its files go, from the preset's folder on."""
    return [order.path.relative_to(folder / "job").as_posix() for order in orders(folder, keys, chapters)]


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("", "The Door/The Door.mp3"),
        ("series: Doors", "Doors/The Door/The Door.mp3"),
        ("series: Doors\npart: 2", "Doors/Vol 2 - The Door/02 - The Door.mp3"),
        ("series: Doors\nepisode: 7", "Doors/07 - The Door/07 - The Door.mp3"),
        ("series: Doors\nseason: 2\nepisode: 12", "Doors/S02E12 - The Door/S02E12 - The Door.mp3"),
    ],
)
def test_an_episode_is_named_by_its_number(tmp_path: Path, keys: str, path: str) -> None:
    assert names(tmp_path, f"deliver: podcast\n{keys}") == [f"podcast/Ann/{path}"]


@pytest.mark.parametrize(("chapters", "first"), [(99, "01"), (100, "001"), (999, "001"), (1000, "0001")])
def test_names_sort_as_chapters_do(tmp_path: Path, chapters: int, first: str) -> None:
    """Also beyond 99 of them, those of joined chapters too."""
    found = names(tmp_path, "deliver: acx", chapters)
    assert found == sorted(found)
    assert found[0].endswith(f"/{first} - Part 1.mp3")
    joined = [Workspace(tmp_path, "job").chapter(number, chapters, "T").name for number in range(1, chapters + 1)]
    assert joined == sorted(joined)
    assert joined[0] == f"{first} - T.flac"


@pytest.mark.parametrize(
    ("keys", "album"),
    [
        ("series: Doors", "Doors"),
        ("", "The Door"),
        ("kind: audiobook\nseries: Doors\npart: 2", "The Door"),
    ],
)
def test_the_album_of_an_episode_is_its_show(tmp_path: Path, keys: str, album: str) -> None:
    """That of a chapter is its book."""
    assert {order.tags.album for order in orders(tmp_path, keys)} == {album}


def test_episodes_of_one_title_are_different_productions(tmp_path: Path) -> None:
    productions = set()
    for keys in ("", "episode: 1", "episode: 2", "season: 2\nepisode: 2"):
        (tmp_path / "job.yaml").write_text(f"title: News\nscript: job.md\n{keys}\n")
        productions.add(load_manifest(tmp_path / "job.yaml")[0].production)
    assert len(productions) == 4


def test_a_part_and_an_episode_do_not_go_together(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("title: News\nscript: job.md\npart: 3\nepisode: 1\n")
    assert [str(problem) for problem in load_manifest(path)[1]] == [
        f"{path}:4: a part is the volume of a series of books. Give either part: or episode:."
    ]


def test_lines_of_a_description_stay(tmp_path: Path) -> None:
    """And are told from one another in every file; spaces at their ends are not."""
    keys = "description: |\n  First   line. \n\n  Second line.\ndeliver: podcast"
    assert [order.tags.description for order in orders(tmp_path, keys)] == ["First line.\n\nSecond line."]
