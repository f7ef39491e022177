"""The examples that ship, rendered by the real command with the draft voice, and looked at as a listener's tools do."""

from __future__ import annotations

import io
import itertools
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.support.commands import REPOSITORY, run_podcast
else:  # pytest puts this folder on the path, and some packages install a `tests` of their own
    from tests.support.commands import REPOSITORY, run_podcast

QUICKSTART_CHAPTERS = ["The Oldest Voice", "A Bristle and Some Soot", "The Girl Who Sang", "Half as Fast"]
ALICE_CHAPTERS = ["Chapter Eleven: Who Stole the Tarts?"]

_CUE = re.compile(r"(\d+):(\d{2}):(\d{2}\.\d{3}) --> (\d+):(\d{2}):(\d{2}\.\d{3})\n(.+?)(?=\n\n|\n?\Z)", re.DOTALL)
_VOICE = re.compile(r"<v ([^>]+)>")


@dataclass(frozen=True)
class Rendered:
    """A finished job: its report and where its files are."""

    folder: Path
    report: dict[str, Any]

    def file(self, preset: str) -> Path:
        """The one file of a preset."""
        return self.folder / str(self.of_preset(preset)["path"])

    def of_preset(self, preset: str) -> dict[str, Any]:
        """What the report says of the one file of a preset."""
        (found,) = (item for item in self.report["deliverables"] if item["preset"] == preset)
        return dict(found)


@dataclass(frozen=True)
class Cue:
    """One cue of a WebVTT file, in seconds."""

    start_s: float
    end_s: float
    text: str


def render(name: str, home: Path) -> Rendered:
    """Render one example in a copy of the folder, as somebody would who has just cloned the repository."""
    shutil.copytree(REPOSITORY / "manifests", home / "manifests")
    run = run_podcast("render", f"manifests/{name}.yaml", cwd=home)
    assert run.returncode == 0, run.stderr
    folder = home / "output" / name
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return Rendered(folder, report)


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return render("quickstart", tmp_path_factory.mktemp("quickstart"))


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return render("alice", tmp_path_factory.mktemp("alice"))


@pytest.fixture(params=["quickstart", pytest.param("alice", marks=pytest.mark.slow)])
def example(request: pytest.FixtureRequest) -> Rendered:
    """Each of the two."""
    rendered = request.getfixturevalue(request.param)
    assert isinstance(rendered, Rendered)
    return rendered


def cues(path: Path) -> list[Cue]:
    """The cues of a WebVTT file."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("WEBVTT\n\n")
    found = [
        Cue(
            int(parts[1]) * 3600 + int(parts[2]) * 60 + float(parts[3]),
            int(parts[4]) * 3600 + int(parts[5]) * 60 + float(parts[6]),
            parts[7],
        )
        for parts in _CUE.finditer(text)
    ]
    assert len(found) == text.count("-->")
    return found


def spoken_by(path: Path) -> dict[str, str]:
    """Speaker to all they say, from a JSON transcript."""
    said: dict[str, str] = {}
    for segment in json.loads(path.read_text(encoding="utf-8"))["segments"]:
        said[segment["speaker"]] = f"{said.get(segment['speaker'], '')} {segment['body']}".strip()
    return said


def chapter_marks(container: av.container.InputContainer) -> list[tuple[str, float, float]]:
    """Title, start and end in seconds of each chapter in a file."""
    found = []
    for chapter in container.chapters():
        tick_s = chapter["time_base"]
        assert tick_s
        found.append((chapter["metadata"]["title"], float(chapter["start"] * tick_s), float(chapter["end"] * tick_s)))
    return found


def decoded_s(path: Path) -> float:
    """How much sound really comes out of a file."""
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def assert_marks_tile(marks: list[tuple[str, float, float]], audio_s: float) -> None:
    """From the beginning to the end, without a gap."""
    assert marks[0][1] == 0
    for (_, _, end_s), (_, start_s, _) in itertools.pairwise(marks):
        assert start_s == pytest.approx(end_s, abs=0.002)
    assert all(start_s < end_s for _, start_s, end_s in marks)
    assert marks[-1][2] == pytest.approx(audio_s, abs=1)


def test_reports_done_with_every_limit_met(example: Rendered) -> None:
    report = example.report
    assert report["status"] == "done"
    assert report["problems"] == []
    assert report["takes"]["failed"] == 0
    assert report["takes"]["rendered"] == report["takes"]["total"] > 0
    for item in report["deliverables"]:
        assert item["limits"]
        assert all(item["limits"].values()), item


def test_has_as_much_sound_as_the_report_says(example: Rendered) -> None:
    for item in example.report["deliverables"]:
        assert decoded_s(example.folder / item["path"]) == pytest.approx(item["audio_s"], abs=0.1)


def test_subtitles_follow_each_other_inside_the_file(example: Rendered) -> None:
    for item in example.report["deliverables"]:
        found = cues((example.folder / item["path"]).with_suffix(".vtt"))
        assert len(found) > 20
        assert found[0].start_s > 0
        for before, after in itertools.pairwise(found):
            assert before.end_s <= after.start_s
        assert all(cue.start_s < cue.end_s for cue in found)
        assert found[-1].end_s < item["audio_s"]
        assert {name for cue in found for name in _VOICE.findall(cue.text)} == set(example.report["voices"])


def test_no_markup_is_left_in_the_transcript(example: Rendered) -> None:
    for transcript in example.folder.glob("*/**/*.transcript.json"):
        said = " ".join(spoken_by(transcript).values())
        assert not re.search(r"[*_#\[\]<>\\]|https?:|pause|taps the table|A script is plain Markdown", said)


def test_quickstart_is_a_short_podcast_of_two_hosts(quickstart: Rendered) -> None:
    assert {item["preset"] for item in quickstart.report["deliverables"]} == {"podcast", "m4b"}
    for item in quickstart.report["deliverables"]:
        assert 120 <= item["audio_s"] <= 200
    assert quickstart.report["voices"] == {
        "Mara": {"voice": "ada", "default": False},
        "Theo": {"voice": "ben", "default": False},
    }
    assert [chapter["title"] for chapter in quickstart.report["chapters"]] == QUICKSTART_CHAPTERS


@pytest.mark.parametrize("preset", ["podcast", "m4b"])
def test_quickstart_shows_its_names_chapters_and_cover_in_a_player(quickstart: Rendered, preset: str) -> None:
    path = quickstart.file(preset)
    with av.open(str(path)) as container:
        tags = container.metadata
        marks = chapter_marks(container)
        (picture,) = container.streams.video
        cover = next(bytes(packet) for packet in container.demux(picture) if packet.size)
    assert tags["title"] == "The Voice on the Paper"
    assert tags["artist"] == tags["album_artist"] == "The Draft Voices"
    assert tags["SERIES"] == "Before the Wire"
    assert tags["comment"].startswith("The oldest human voice")
    assert [title for title, _, _ in marks] == QUICKSTART_CHAPTERS
    assert_marks_tile(marks, quickstart.of_preset(preset)["audio_s"])
    assert cover == (REPOSITORY / "manifests" / "quickstart.jpg").read_bytes()


@pytest.mark.parametrize("preset", ["podcast", "m4b"])
def test_quickstart_chapter_marks_stand_where_the_chapters_begin(quickstart: Rendered, preset: str) -> None:
    path = quickstart.file(preset)
    with av.open(str(path)) as container:
        starts_s = [start_s for _, start_s, _ in chapter_marks(container)]
    beside = json.loads(path.with_suffix(".chapters.json").read_text(encoding="utf-8"))
    assert [chapter["startTime"] for chapter in beside["chapters"]] == pytest.approx(starts_s, abs=0.05)
    first_words = ["A question before we begin", "His name was", "On the ninth of April", "But. Next to the voice"]
    for start_s, words in zip(starts_s, first_words, strict=True):
        cue = next(cue for cue in cues(path.with_suffix(".vtt")) if cue.end_s > start_s)
        assert _VOICE.sub("", cue.text).replace("\n", " ").startswith(words)
        assert -0.001 <= cue.start_s - start_s < 2.5  # WebVTT is exact to a millisecond


def test_quickstart_shows_what_the_format_can_do(quickstart: Rendered) -> None:
    found = cues(quickstart.file("podcast").with_suffix(".vtt"))

    def silence_before(words: str) -> float:
        index = next(index for index, cue in enumerate(found) if words in cue.text)
        return found[index].start_s - found[index - 1].end_s

    assert silence_before("He didn't.") == pytest.approx(1.5, abs=0.02)  # [pause 1.5s]
    assert silence_before("One hundred and forty-eight") == pytest.approx(1.5, abs=0.02)  # a scene break
    assert silence_before("This is Before the Wire") == pytest.approx(0.6, abs=0.02)  # a paragraph of the same host
    assert silence_before("And I am Theo") == pytest.approx(0.35, abs=0.02)  # the other host
    said = spoken_by(quickstart.file("podcast").with_suffix(".transcript.json"))
    assert "(laughs) Everybody says that." in said["Mara"]
    assert "called First Sounds had the paper scanned" in said["Mara"]
    assert "The bristle trembled along with your voice" in said["Mara"]
    assert "(gasps) And there was a voice." in said["Theo"]


def test_quickstart_again_renders_nothing(quickstart: Rendered) -> None:
    home = quickstart.folder.parent.parent
    plan = run_podcast("plan", "manifests/quickstart.yaml", "--json", cwd=home)
    assert plan.returncode == 0, plan.stderr
    takes = json.loads(plan.stdout)["takes"]
    assert takes["render"] == 0
    assert takes["reuse"] == takes["total"] == quickstart.report["takes"]["total"]


def test_quickstart_cover_is_fit_for_a_feed() -> None:
    data = (REPOSITORY / "manifests" / "quickstart.jpg").read_bytes()
    assert len(data) < 300_000
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert image.width == image.height >= 1400
        assert image.mode == "RGB"


@pytest.mark.slow
def test_alice_has_a_narrator_and_a_cast_of_distinct_voices(alice: Rendered) -> None:
    voices = {speaker: role["voice"] for speaker, role in alice.report["voices"].items()}
    assert not any(role["default"] for role in alice.report["voices"].values())
    assert len(set(voices.values())) == len(voices)
    assert {"Narrator", "Alice", "The King", "The Queen", "The Hatter", "The March Hare", "The Dormouse"} <= set(voices)


@pytest.mark.slow
def test_alice_gives_each_line_to_who_says_it(alice: Rendered) -> None:
    said = spoken_by(alice.file("m4b").with_suffix(".transcript.json"))
    assert said["Narrator"].startswith("Chapter Eleven: Who Stole the Tarts? The King and Queen of Hearts were seated")
    assert "said the King." in said["Narrator"]
    assert said["The March Hare"] == "Fifteenth, I didn’t! I deny it!"
    assert said["The Cook"] == "Shan’t, Pepper, mostly,"
    assert "Off with his whiskers!" in said["The Queen"]
    assert said["The White Rabbit"].endswith("Alice!")
    for character in set(said) - {"Narrator"}:
        assert not re.search(r"\b(said|replied|thought|whispered) (the|she|he|Alice)\b", said[character])


@pytest.mark.slow
def test_alice_is_what_acx_takes(alice: Rendered) -> None:
    item = alice.of_preset("acx")
    assert -23 <= item["rms_db"] <= -18
    assert item["true_peak_dbtp"] <= -3
    assert item["noise_floor_db"] <= -60
    assert item["audio_s"] <= 120 * 60
    with av.open(str(alice.file("acx"))) as container:
        (sound,) = container.streams.audio
        assert sound.codec_context.name.startswith("mp3")
        assert sound.codec_context.sample_rate == 44_100
        assert sound.codec_context.channels == 1
        assert {packet.size for packet in container.demux(sound) if packet.size} <= {626, 627}  # 192 kbps, constant
        assert container.metadata["title"] == ALICE_CHAPTERS[0]
        assert container.metadata["album"] == "Alice's Adventures in Wonderland"
    found = cues(alice.file("acx").with_suffix(".vtt"))
    assert 0.5 <= found[0].start_s <= 1
    assert 1 <= item["audio_s"] - found[-1].end_s <= 5


@pytest.mark.slow
def test_alice_shows_its_names_and_chapter_in_a_player(alice: Rendered) -> None:
    with av.open(str(alice.file("m4b"))) as container:
        tags = container.metadata
        marks = chapter_marks(container)
    assert tags["title"] == tags["album"] == "Alice's Adventures in Wonderland"
    assert tags["artist"] == "Lewis Carroll"
    assert "composer" not in tags  # nobody read it
    assert tags["date"] == "1865"
    assert [title for title, _, _ in marks] == ALICE_CHAPTERS
    assert_marks_tile(marks, alice.of_preset("m4b")["audio_s"])
