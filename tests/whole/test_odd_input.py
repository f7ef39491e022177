"""Odd input: sentences, letters, titles, numbers and voices that nobody expects are rendered all the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import MakeJob
from tests.support.wrong_requests import SPEECH, Podcast, assert_refused


def render(podcast: Podcast, manifest: Path, *, engine: str = "tone") -> dict[str, Any]:
    """Render a job that has to work, and see that every file of its report is there."""
    answer = podcast("render", manifest.name, "--engine", engine, "--json")
    assert answer.code == 0, answer.err
    report = answer.report
    assert report["status"] == "done", report["problems"]
    assert report["takes"]["failed"] == 0
    job = manifest.parent / "output" / report["job"]
    for item in report["deliverables"]:
        assert (job / item["path"]).stat().st_size > 1000
    return report


def transcript(manifest: Path, preset: str = "podcast") -> str:
    """All words of a job's transcripts."""
    files = sorted((manifest.parent / "output" / manifest.stem).glob(f"{preset}/**/*.transcript.json"))
    return " ".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_with_or_without_a_mark_is_read(
    encoding: str, podcast: Podcast, tmp_path: Path, make_job: MakeJob
) -> None:
    """UTF-8 with and without byte order mark and UTF-16 with one are all read as the same text; UTF-16 is told of."""
    manifest = make_job(deliver=["podcast"])
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    text = f"{mark}# Één\n\nA café in Málaga, naïve as ever.\n"
    (tmp_path / "job.md").write_bytes(text.replace("\n", "\r\n").encode(encoding))

    report = render(podcast, manifest)

    assert [chapter["title"] for chapter in report["chapters"]] == ["Één"]
    assert "A café in Málaga, naïve as ever." in transcript(manifest)
    told = [problem["what"] for problem in report["problems"]]
    assert told == (["this is UTF-16 text, and is read as that."] if "16" in encoding else [])


@pytest.mark.slow
def test_a_sentence_of_5000_words_is_rendered(podcast: Podcast, make_job: MakeJob) -> None:
    """A sentence without any comma is cut between words, and no word is lost."""
    words = [f"word{number}" for number in range(5000)]
    manifest = make_job(f"# One\n\n{' '.join(words)}.\n", deliver=["podcast"])

    answer = podcast("plan", manifest.name, "--engine", "tone", "--json")

    chunks = json.loads(answer.out)["chunks"]
    assert " ".join(chunk["text"] for chunk in chunks).split() == [*words[:-1], f"{words[-1]}."]
    assert max(len(chunk["text"].encode()) for chunk in chunks) <= 300
    short = make_job(f"# One\n\n{' '.join(words[:200])}.\n", deliver=["podcast"])
    assert render(podcast, short, engine="draft")["takes"]["total"] > 4


def test_control_characters_and_emoji_are_not_spoken(podcast: Podcast, make_job: MakeJob) -> None:
    """Control characters are left out and told of; emoji stay in the transcript and do no harm to the sound."""
    odd = "# One\n\nBell\x07 and escape\x1b[31m and delete\x7f. Hello 🙂 wor\u200bld 👩‍👩‍👧 and \u202eright to left.\n"
    manifest = make_job(odd, deliver=["podcast"])

    report = render(podcast, manifest, engine="draft")

    assert any("control characters" in problem["what"] for problem in report["problems"])
    said = transcript(manifest)
    assert "🙂" in said
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", said)


def test_words_the_voice_cannot_speak_are_left_out_and_told(podcast: Podcast, make_job: MakeJob) -> None:
    """Chinese and Arabic words in an English script are told of at their lines, and the rest is spoken."""
    script = "# One\n\nShe said 你好 and smiled.\n\nHe answered مرحبا and left.\n\nمرحبا\n\nThe end came soon.\n"
    manifest = make_job(script, deliver=["podcast"])

    report = render(podcast, manifest, engine="draft")

    told = {problem["where"]: problem["what"] for problem in report["problems"]}
    assert set(told) == {"job.md:3", "job.md:5", "job.md:7"}
    assert "你好" in told["job.md:3"]
    assert "مرحبا" in told["job.md:5"]
    assert all(problem["next"] for problem in report["problems"])


def test_two_chapters_of_one_title_are_both_delivered(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """Chapters that share a title become two files, in either kind of delivery."""
    script = "# One\n\nThe first of them.\n\n# One\n\nThe second of them.\n"
    manifest = make_job(script, kind="audiobook", deliver=["podcast", "m4b", "wav", "flac"])

    report = render(podcast, manifest)

    assert [chapter["title"] for chapter in report["chapters"]] == ["One", "One"]
    paths = [item["path"] for item in report["deliverables"]]
    assert len(paths) == len(set(paths)) == 7  # m4b is one file
    for preset in ("podcast", "wav", "flac"):
        said = transcript(manifest, preset)
        assert "The first of them." in said
        assert "The second of them." in said


@pytest.mark.parametrize(
    "title",
    [
        'A/B\\C: who? <me> | "you" *',
        "../../../etc/passwd",
        "/absolute/path",
        "x" * 300,
        "é " * 150,
        "👩‍👩‍👧" * 40,
        "CON",
        "con.txt",
        "NUL",
        "...",
        ".hidden",
        "ends in dots...",
        "-rf --help",
        "🙂",
        "\u202eright to left",
        "100 % $HOME `id` 'quoted' \"twice\"",
        "Café",
        "Cafe\u0301",
        "中文标题",
        "a\tb",
    ],
    ids=lambda title: ascii(title[:20]),
)
def test_titles_that_no_file_system_takes(title: str, podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """Whatever book, series, author and chapters are called, all files land in the job's folder."""
    script = f"# {title}\n\nHello there.\n\n# {title}\n\nHello again.\n"
    manifest = make_job(
        script, title=title, author=title, series=title, part="2", kind="audiobook", deliver=["podcast", "m4b", "flac"]
    )

    report = render(podcast, manifest)

    assert len(report["deliverables"]) == 5
    job = tmp_path / "output" / "job"
    for item in report["deliverables"]:
        assert (job / item["path"]).resolve().is_relative_to(job.resolve())
        for part in Path(item["path"]).parts:
            assert len(part.encode()) <= 255
            assert not re.search(r'[<>:"\\|?*\x00-\x1f]', part)
            assert not part.startswith(".")
            assert not part.endswith((".", " "))
            assert part.split(".")[0].upper() not in ("CON", "NUL")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.md", "job.yaml", "output"]


def test_a_nul_in_a_title_is_refused_or_harmless(podcast: Podcast, tmp_path: Path) -> None:
    """Escaped control characters in the names a YAML file gives never end in a traceback or a lost file."""
    (tmp_path / "job.yaml").write_text(
        'title: "A\\0B"\nauthor: "C\\0D"\nseries: "E\\0"\ndescription: "F\\0G\\x07"\nscript: job.yml\n'
        "deliver: [podcast, m4b, flac, wav]\n"
    )
    (tmp_path / "job.yml").write_text('chapters:\n- title: "O\\0ne"\n  turns:\n  - {speaker: "A\\0nn", text: Hello.}\n')

    answer = podcast("render", "job.yaml", "--engine", "tone", "--json")

    assert answer.code in (0, 2), answer.err
    if answer.code == 0:
        assert len(answer.report["deliverables"]) == 4
        for item in answer.report["deliverables"]:
            assert (tmp_path / "output" / "job" / item["path"]).is_file()
    else:
        assert_refused(answer, tmp_path)


@pytest.mark.parametrize(
    "part", ["70000", "99999999999999999999", "9" * 5000, "２", "²", "0", "II"], ids=lambda part: ascii(part[:20])
)
def test_odd_volume_numbers(part: str, podcast: Podcast, make_job: MakeJob) -> None:
    """A volume number that no tag can hold is refused before anything starts, or delivered all the same."""
    manifest = make_job(SPEECH, series="Saga", part=part, deliver=["podcast", "m4b", "flac", "wav"])

    answer = podcast("render", manifest.name, "--engine", "tone", "--json")

    assert answer.code in (0, 2), answer.err
    if answer.code == 0:
        assert answer.report["status"] == "done"
    else:
        assert_refused(answer, manifest.parent)


def test_speakers_without_voices_get_distinct_ones(podcast: Podcast, make_job: MakeJob) -> None:
    """Speakers the manifest gives no voice are given one each, and the report says that nobody asked for it."""
    manifest = make_job(kind="audiobook", deliver=["podcast"], cast={"Ann": "eve"})

    voices = render(podcast, manifest)["voices"]

    assert voices["Ann"] == {"voice": "eve", "default": False}
    assert voices["Bob"]["default"] is True
    assert voices["Narrator"] == {"voice": "ada", "default": True}
    assert len({role["voice"] for role in voices.values()}) == 3


def test_more_speakers_than_voices(podcast: Podcast, make_job: MakeJob) -> None:
    """Where the voices do not suffice, speakers share them, and the report names who does."""
    names = [f"Speaker{chr(65 + number)}" for number in range(20)]
    script = "# One\n\n" + "\n\n".join(f"**{name}:** I am number {n}." for n, name in enumerate(names))
    manifest = make_job(script, deliver=["podcast"])

    report = render(podcast, manifest, engine="draft")

    assert set(report["voices"]) == set(names)
    given = [role["voice"] for role in report["voices"].values()]
    assert len(set(given)) == 11  # all but the narrator's
    assert max(given.count(voice) for voice in given) == 2
    (problem,) = report["problems"]
    assert "more speakers than default voices" in problem["what"]


def test_voices_in_cast_that_nobody_needs_are_told(podcast: Podcast, make_job: MakeJob) -> None:
    """A name in the cast that never speaks is no error; the report asks whether another was meant."""
    manifest = make_job(deliver=["podcast"], cast={"Anne": "eve"})

    report = render(podcast, manifest)

    assert any('Did you mean "Ann"?' in problem["next"] for problem in report["problems"])
