"""Bad input: refused before anything starts, in words that lead to the repair; odd input: rendered all the same."""

from __future__ import annotations

import json
import re
import signal
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from pipeline.cli.main import main

if TYPE_CHECKING:
    from tests.support.commands import MakeJob, run_podcast
else:  # pytest puts this folder on the path, and some packages install a `tests` of their own
    from tests.support.commands import MakeJob, run_podcast

SPEECH = "# One\n\nHello there, and welcome.\n"
HEAD = "title: A test\nscript: job.md\n"
PLACE = r"(?P<file>[^:]+)(?::(?P<line>\d+))?"
MESSAGE = re.compile(rf"{PLACE}: (?P<what>\S.*?[.)]) (?P<next>[A-Z]\S*[ :].+)")  # place: problem next step


@dataclass(frozen=True)
class Answer:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """Of a run with --json."""
        found: dict[str, Any] = json.loads(self.out)
        return found


Podcast = Callable[..., Answer]


@pytest.fixture
def podcast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Podcast:
    """The command's own entry point, called in this process: an error that it does not tell fails the test."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["podcast", *map(str, arguments)])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, told.out, told.err)

    return call


def assert_refused(answer: Answer, folder: Path, *expected: tuple[str, str]) -> None:
    """Exit code 2; every line is `place: problem next step`; the expected places and words are among them."""
    assert answer.code == 2, answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
    lines = answer.err.splitlines()
    for line in lines:
        assert MESSAGE.fullmatch(line), f"not of the form `place: problem next step`: {line}"
    for place, words in expected:
        assert any(line.startswith(f"{place}: ") and words in line for line in lines), (place, words, lines)
    assert not (folder / "output").exists(), "something was started"


def png(width: int = 64, height: int = 64) -> bytes:
    buffer = BytesIO()
    Image.effect_noise((width, height), 80).save(buffer, format="PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Wrong:
    """A manifest with a script, and the places and words of what has to be told."""

    name: str
    manifest: str | bytes
    expected: tuple[tuple[str, str], ...]
    script: str | bytes = SPEECH
    arguments: tuple[str, ...] = ()


def wrong(
    name: str,
    manifest: str | bytes,
    *expected: tuple[str, str],
    script: str | bytes = SPEECH,
    arguments: tuple[str, ...] = (),
) -> Wrong:
    return Wrong(name, manifest, expected, script, arguments)


WRONG = [
    # YAML that cannot be read
    wrong("tab", f"{HEAD}cast:\n\tAnn: ada\n", ("job.yaml:4", "a tab is used")),
    wrong("unclosed quote", 'script: job.md\ntitle: "A test\nseed: 1\n', ("job.yaml:2", "never closed")),
    wrong("unquoted colon", "title: A test: part two\nscript: job.md\n", ("job.yaml:1", "has to be quoted")),
    wrong("unclosed list", f"{HEAD}deliver: [podcast, m4b\n", ("job.yaml:3", "not closed")),
    wrong("bad indentation", "title: A test\n  script: job.md\n", ("job.yaml:2", "")),
    wrong("duplicate key", f"{HEAD}title: Another\n", ("job.yaml:3", '"title" stands here twice')),
    wrong("alias", "title: &name A test\nscript: job.md\nseries: *name\n", ("job.yaml:3", "an alias")),
    wrong("python tag", "title: !!python/name:os.system\nscript: job.md\n", ("job.yaml:1", "the tag")),
    wrong("two documents", f"{HEAD}---\n{HEAD}", ("job.yaml:3", "a second document")),
    wrong("impossible escape", 'title: "\\UFFFFFFFF"\nscript: job.md\n', ("job.yaml", "escape")),
    wrong("half a surrogate", 'title: "\\uD800"\nscript: job.md\n', ("job.yaml:1", "surrogate")),
    wrong("empty manifest", "", ("job.yaml:1", 'needs at least "title:" and "script:"')),
    wrong("only a comment", "# nothing\n", ("job.yaml:1", 'needs at least "title:" and "script:"')),
    wrong("a list", "- title: A test\n- script: job.md\n", ("job.yaml:1", 'needs at least "title:"')),
    wrong("plain words", "A test\n", ("job.yaml:1", 'needs at least "title:"')),
    wrong("manifest in Latin-1", "title: Café\nscript: job.md\n".encode("latin-1"), ("job.yaml:1", "not UTF-8")),
    wrong("manifest of bytes", bytes(range(256)), ("job.yaml:2", "not UTF-8")),
    # wrong types and values
    wrong("title a list", "title: [A, B]\nscript: job.md\n", ("job.yaml:1", '"title" must be text, not a list')),
    wrong("title a mapping", "title: {A: B}\nscript: job.md\n", ("job.yaml:1", '"title" must be text, not keys')),
    wrong("title empty", 'title: ""\nscript: job.md\n', ("job.yaml:1", '"title"')),
    wrong("title too long", f"title: {'x' * 501}\nscript: job.md\n", ("job.yaml:1", '"title"')),
    wrong("script a mapping", "title: A test\nscript: {a: b}\n", ("job.yaml:2", "must be text")),
    wrong("script an empty list", "title: A test\nscript: []\n", ("job.yaml:2", '"script"')),
    wrong("script a folder", "title: A test\nscript: .\n", (".", "")),
    wrong("seed a word", f"{HEAD}seed: many\n", ("job.yaml:3", "'many'")),
    wrong("seed negative", f"{HEAD}seed: -1\n", ("job.yaml:3", "'-1'")),
    wrong("seed too large", f"{HEAD}seed: {2**63}\n", ("job.yaml:3", f"'{2**63}'")),
    wrong("year a word", f"{HEAD}year: soon\n", ("job.yaml:3", "'soon'")),
    wrong("year 0", f"{HEAD}year: 0\n", ("job.yaml:3", "'0'")),
    wrong("cast a list", f"{HEAD}cast: [Ann, Bob]\n", ("job.yaml:3", '"cast"')),
    wrong("cast a word", f"{HEAD}cast: ada\n", ("job.yaml:3", '"cast"')),
    wrong("voice a list", f"{HEAD}cast:\n  Ann: [ada]\n", ("job.yaml:4", "must be text")),
    wrong("pauses a number", f"{HEAD}pauses: 3\n", ("job.yaml:3", '"pauses"')),
    wrong("pause a word", f"{HEAD}pauses:\n  turn_s: long\n", ("job.yaml:4", "'long'")),
    wrong("pause negative", f"{HEAD}pauses:\n  turn_s: -1\n", ("job.yaml:4", "'-1'")),
    wrong("pause endless", f"{HEAD}pauses:\n  scene_s: inf\n", ("job.yaml:4", "'inf'")),
    wrong("deliver nothing", f"{HEAD}deliver: []\n", ("job.yaml:3", '"deliver"')),
    wrong("preset unknown", f"{HEAD}deliver: [podcats]\n", ("job.yaml:3", 'Did you mean "podcast"?')),
    wrong("preset a list", f"{HEAD}deliver:\n  - [podcast]\n", ("job.yaml:4", "a preset is a name")),
    wrong("preset twice", f"{HEAD}deliver: [m4b, m4b]\n", ("job.yaml:3", "named twice")),
    wrong(
        "two levels",
        f"{HEAD}deliver:\n  - preset: podcast\n    lufs: -19\n    rms_db: -20\n",
        ("job.yaml:4", "exactly one of lufs and rms_db"),
    ),
    wrong(
        "sample rate",
        f"{HEAD}deliver:\n  - preset: podcast\n    sample_rate_hz: 44000\n",
        ("job.yaml:5", "44000"),
    ),
    wrong("kind unknown", f"{HEAD}kind: podcats\n", ("job.yaml:3", 'Did you mean "podcast"?')),
    # keys
    wrong("unknown key", f"{HEAD}langauge: en\n", ("job.yaml:3", 'Did you mean "language"?')),
    wrong("unknown key, no idea", f"{HEAD}zzz: en\n", ("job.yaml:3", "Known: author, cast,")),
    wrong("unknown pause", f"{HEAD}pauses:\n  scene: 1\n", ("job.yaml:4", 'Did you mean "scene_s"?')),
    wrong(
        "unknown preset key",
        f"{HEAD}deliver:\n  - preset: m4b\n    bitrate: 64\n",
        ("job.yaml:5", 'Did you mean "bitrate_kbps"?'),
    ),
    wrong("no title", "script: job.md\n", ("job.yaml:1", 'no "title"')),
    wrong("title null", "title:\nscript: job.md\n", ("job.yaml:1", 'no "title"')),
    wrong("no script", "title: A test\n", ("job.yaml:1", 'no "script"')),
    # scripts
    wrong("script missing", "title: A test\nscript: jbo.md\n", ("jbo.md", 'Did you mean "job.md"?')),
    wrong("script folder missing", "title: A test\nscript: parts/one.md\n", ("parts/one.md", "no such file")),
    wrong("script suffix", "title: A test\nscript: job.docx\n", ("job.docx", 'a ".docx" file cannot be a script')),
    wrong("script name too long", f"title: A test\nscript: {'x' * 300}.md\n", (f"{'x' * 300}.md", "cannot be read")),
    wrong(
        "Latin-1",
        HEAD,
        ("job.md:3", "not UTF-8 text"),
        script="# One\n\nA café in Málaga.\n".encode("latin-1"),
    ),
    wrong("UTF-16 without BOM", HEAD, ("job.md:1", "without a byte order mark"), script=SPEECH.encode("utf-16-le")),
    wrong("UTF-16 cut", HEAD, ("job.md:4", "not UTF-16"), script=SPEECH.encode("utf-16") + b"x"),
    wrong("NUL byte", HEAD, ("job.md:3", "a NUL byte"), script="# One\n\nHel\0lo.\n"),
    wrong("empty script", HEAD, ("job.md", "nothing to say"), script=""),
    wrong("blank script", HEAD, ("job.md", "nothing to say"), script=" \n\t\n\n"),
    wrong("comment only", HEAD, ("job.md", "nothing to say"), script="<!-- later -->\n"),
    wrong(
        "silent chapter",
        HEAD,
        ("job.md:5", 'the chapter "Two" has nothing to say'),
        script=f"{SPEECH}\n# Two\n\n---\n\n# Three\n\nThe end.\n",
    ),
    wrong("stops only", HEAD, ("job.md:1", "nothing to say"), script="# One\n\n... !!! ***\n\n🙂 🙃\n"),
    wrong(
        "unspeakable chapter",
        HEAD,
        ("job.md:5", 'nothing that can be spoken in language "en"'),
        script=f"{SPEECH}\n# Two\n\n你好，世界。\n",
    ),
    wrong("long word", HEAD, ("job.md:3", "301 bytes long"), script=f"# One\n\nHello {'x' * 301} there.\n"),
    # voices
    wrong("voice in cast", f"{HEAD}cast:\n  Ann: adda\n", ("job.yaml:4", 'Did you mean "ada"?')),
    wrong("voice empty", f'{HEAD}cast:\n  Ann: ""\n', ("job.yaml:4", 'no voice ""')),
    wrong("narrator", f"{HEAD}narrator: Clar\n", ("job.yaml:3", 'Did you mean "clara"?')),
    # engines and languages
    wrong("engine unknown", f"{HEAD}engine: drafft\n", ("job.yaml:3", 'Did you mean "draft"?')),
    wrong("engine for tests", f"{HEAD}engine: tone\n", ("job.yaml:3", '"tone" is no engine')),
    wrong(
        "engine dia",
        f"{HEAD}engine: dia\n",
        ("job.yaml:3", "podcast weights fetch nobody/no-dia"),
        arguments=("--weights", "nobody/no-dia"),
    ),
    wrong(
        "engine dia asked for",
        HEAD,
        ("job.yaml:1", "./nowhere: there is no such folder"),
        arguments=("--engine", "dia", "--weights", "./nowhere"),
    ),
    wrong("dia key unknown", f"{HEAD}dia:\n  temperatur: 1\n", ("job.yaml:4", 'Did you mean "temperature"?')),
    wrong("dia value", f"{HEAD}dia:\n  top_p: 2\n", ("job.yaml:4", "top_p")),
    wrong("language unknown", f"{HEAD}seed: 1\nlanguage: xx\n", ("job.yaml:4", 'does not speak "xx"')),
    wrong("language a sentence", f"{HEAD}language: English, please\n", ("job.yaml:3", "language code")),
    # paths
    wrong("script outside", "title: A test\nscript: ../job.md\n", ("job.yaml:2", "outside the manifest's folder")),
    wrong("script absolute", "title: A test\nscript: /etc/passwd.md\n", ("job.yaml:2", "outside")),
    wrong("cover outside", f"{HEAD}cover: ../cover.png\n", ("job.yaml:3", "outside the manifest's folder")),
    wrong("cover absolute", f"{HEAD}cover: /etc/hostname\n", ("job.yaml:3", "outside the manifest's folder")),
    wrong("NUL in a script's name", 'title: A test\nscript: "job\\0.md"\n', ("job.yaml:2", "")),
    wrong("NUL in a cover's name", f'{HEAD}cover: "cover\\0.png"\n', ("job.yaml:3", "")),
    wrong(
        "NUL in a cover's name, outside allowed",
        f'{HEAD}cover: "cover\\0.png"\n',
        ("job.yaml:3", ""),
        arguments=("--allow-outside",),
    ),
    wrong(
        "NUL in a script's name, outside allowed",
        'title: A test\nscript: "job\\0.md"\n',
        ("job\0.md", ""),
        arguments=("--allow-outside",),
    ),
    # covers
    wrong("cover missing", f"{HEAD}cover: none.png\n", ("job.yaml:3", "cannot be read")),
    wrong("cover a folder", f"{HEAD}cover: .\n", ("job.yaml:3", "cannot be read")),
    wrong("cover a text", f"{HEAD}cover: job.md\n", ("job.yaml:3", "neither JPEG nor PNG")),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_request_is_refused(case: Wrong, podcast: Podcast, tmp_path: Path) -> None:
    """A wrong manifest or script ends with exit code 2, names file and line, and starts nothing."""
    for name, content in (("job.yaml", case.manifest), ("job.md", case.script)):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path.parent / "job.md").write_text(SPEECH)  # what ../job.md would find
    (tmp_path.parent / "cover.png").write_bytes(png())

    assert_refused(podcast("render", "job.yaml", *case.arguments), tmp_path, *case.expected)
    assert_refused(podcast("plan", "job.yaml", *case.arguments), tmp_path, *case.expected)


@pytest.mark.parametrize(
    ("script", "place", "words"),
    [
        ('{"turns": [{"text": "Hello."}, {"text": "Bye.", "voice": "adda"}]}', "job.yml:1", 'Did you mean "ada"?'),
        ("turns:\n- text: Hello.\n- text: Bye.\n  voice: nobody\n", "job.yml:3", 'no voice "nobody"'),
        ("turns:\n- text: Hello.\n  spaeker: Ann\n", "job.yml:3", 'Did you mean "speaker"?'),
        ("turns:\n- speaker: Ann\n", "job.yml:2", "the turn has no text"),
        ("turns:\n- text: Hello.\n  pause_s: long\n", "job.yml:3", '"pause_s" has to be a number'),
        ("turns: Hello.\n", "job.yml:1", "no list of turns"),
        ("chapters:\n- title: One\n  turns: []\n", "job.yml:2", 'the chapter "One" has nothing to say'),
        ("chapters:\n- title: One\n", "job.yml:2", "no list of turns"),
        ("turns:\n- text: Hello.\n  voice: &a ada\n- text: Bye.\n  voice: *a\n", "job.yml:5", "an alias"),
        ("", "job.yml:1", "no list of chapters"),
        ("turns:\n\t- text: Hello.\n", "job.yml:2", "a tab is used"),
    ],
)
def test_a_wrong_yaml_script_is_refused(script: str, place: str, words: str, podcast: Podcast, tmp_path: Path) -> None:
    """A YAML script with an unknown voice, key or shape ends with exit code 2 at the line of the turn."""
    (tmp_path / "job.yaml").write_text("title: A test\nscript: job.yml\n")
    (tmp_path / "job.yml").write_text(script)

    assert_refused(podcast("render", "job.yaml"), tmp_path, (place, words))


def test_a_cover_that_is_cut_off_is_refused(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A truncated, a garbled and an oversized picture are each refused at the manifest's line."""
    whole = png(200, 200)
    jpeg = BytesIO()
    Image.effect_noise((200, 200), 80).save(jpeg, format="JPEG")
    huge = bytearray(png(1, 1))
    huge[16:24] = (60_000).to_bytes(4) + (60_000).to_bytes(4)
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4)
    pictures = {
        "cut.png": whole[: len(whole) // 2],
        "head.png": whole[:8],
        "cut.jpg": jpeg.getvalue()[: len(jpeg.getvalue()) // 2],
        "garbled.png": whole[:100] + bytes(len(whole) - 100),
        "gif.png": b"GIF89a" + bytes(100),
        "huge.png": bytes(huge),
    }
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
        manifest = make_job(SPEECH, cover=name)
        answer = podcast("render", manifest.name)
        assert_refused(answer, tmp_path, ("job.yaml:1", "the cover"))
        assert len(answer.err.splitlines()) == 1, f"{name}: {answer.err}"


def test_a_symlink_does_not_lead_outside_unless_allowed(podcast: Podcast, tmp_path: Path) -> None:
    """A script reached through ../, an absolute path or a symlink renders only with --allow-outside."""
    elsewhere = tmp_path / "elsewhere"
    home = tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    (elsewhere / "job.md").write_text(SPEECH)
    (elsewhere / "cover.png").write_bytes(png())
    (home / "link.md").symlink_to(elsewhere / "job.md")
    (home / "folder").symlink_to(elsewhere, target_is_directory=True)
    for name in ("link.md", "folder/job.md", "../elsewhere/job.md", str(elsewhere / "job.md")):
        manifest = home / "job.yaml"
        manifest.write_text(f"title: A test\nscript: {name}\ncover: folder/cover.png\n")

        refused = podcast("render", "home/job.yaml")
        outside = "outside the manifest's folder"
        assert_refused(refused, tmp_path, ("home/job.yaml:2", outside), ("home/job.yaml:3", outside))

        allowed = podcast("plan", "home/job.yaml", "--allow-outside")
        assert allowed.code == 0, allowed.err
    done = podcast("render", "home/job.yaml", "--allow-outside", "--engine", "tone", "--json")
    assert (done.code, done.report["status"]) == (0, "done")


def test_a_symlink_inside_the_folder_is_no_problem(podcast: Podcast, tmp_path: Path) -> None:
    """A symlink that stays in the manifest's folder needs no permission, and one that loops is refused."""
    (tmp_path / "real.md").write_text(SPEECH)
    (tmp_path / "job.md").symlink_to("real.md")
    (tmp_path / "job.yaml").write_text(HEAD)
    assert podcast("plan", "job.yaml").code == 0

    (tmp_path / "loop.md").symlink_to("loop.md")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "job.yaml").write_text("title: A test\nscript: loop.md\n")
    assert_refused(podcast("plan", "job.yaml"), tmp_path)
    (tmp_path / "job.yaml").write_text(f"{HEAD}cover: loop.png\n")
    assert_refused(podcast("plan", "job.yaml"), tmp_path, ("job.yaml:3", ""))


def test_a_manifest_that_is_not_there(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A manifest that is missing, is a folder, or hangs under a file is named with what to do."""
    make_job(SPEECH)
    (tmp_path / "folder.yaml").mkdir()

    assert_refused(podcast("render", "jbo.yaml"), tmp_path, ("jbo.yaml", 'Did you mean "job.yaml"?'))
    assert_refused(podcast("render", "no/job.yaml"), tmp_path, ("no/job.yaml", "no such file"))
    assert_refused(podcast("render", "folder.yaml"), tmp_path, ("folder.yaml", "this is a folder"))
    assert_refused(podcast("render", "job.yaml/x"), tmp_path, ("job.yaml/x", ""))
    assert_refused(podcast("render", f"{'x' * 300}.yaml"), tmp_path, (f"{'x' * 300}.yaml", ""))
    every = podcast("render", "jbo.yaml", "folder.yaml")
    assert_refused(every, tmp_path, ("jbo.yaml", "no such file"), ("folder.yaml", "this is a folder"))


def test_all_problems_are_told_at_once(podcast: Podcast, tmp_path: Path) -> None:
    """A manifest with many faults, in itself and in its scripts, is told of every one of them in one run."""
    (tmp_path / "job.yaml").write_text(
        "title: A test\n"
        "script: [one.md, tow.md, three.yml]\n"
        "langauge: en\n"
        "cast:\n"
        "  Ann: adda\n"
        "  Bob: bne\n"
        "narrator: nobody\n"
        "seed: many\n"
        "year: soon\n"
        "cover: one.md\n"
        "deliver: [podcats]\n"
    )
    (tmp_path / "one.md").write_text("# One\n\nHello.\n\n# Silent\n\n# Last\n\nBye.\n")
    (tmp_path / "two.md").write_text(SPEECH)
    (tmp_path / "three.yml").write_text("turns:\n- speaker: Ann\n- text: x\n  pause_s: long\n")

    answer = podcast("render", "job.yaml")

    expected = [
        ("job.yaml:3", "language"),
        ("job.yaml:5", '"ada"'),
        ("job.yaml:6", '"ben"'),
        ("job.yaml:7", '"nobody"'),
        ("job.yaml:8", "'many'"),
        ("job.yaml:9", "'soon'"),
        ("job.yaml:10", "neither JPEG nor PNG"),
        ("job.yaml:11", '"podcast"'),
        ("one.md:5", '"Silent"'),
        ("tow.md", '"two.md"'),
        ("three.yml:2", "no text"),
        ("three.yml:4", "pause_s"),
    ]
    for place, words in expected:
        lines = [line for line in answer.err.splitlines() if line.startswith(f"{place}: ") and words in line]
        assert len(lines) == 1, (place, words, answer.err)
    assert_refused(answer, tmp_path)


def test_a_missing_title_does_not_hide_what_is_wrong_in_the_script(podcast: Podcast, tmp_path: Path) -> None:
    """Where the script stands on the first line, its faults are told along with the missing title."""
    (tmp_path / "job.yaml").write_text("script: job.md\n")
    (tmp_path / "job.md").write_text("# Silent\n")

    answer = podcast("render", "job.yaml")

    assert_refused(answer, tmp_path, ("job.yaml:1", 'no "title"'), ("job.md:1", "nothing to say"))


def test_a_fault_on_the_same_line_does_not_hide_what_is_wrong_in_the_script(
    podcast: Podcast, tmp_path: Path, make_job: MakeJob
) -> None:
    """In a manifest that is JSON on one line the script's faults are told along with the manifest's."""
    make_job("# Silent\n", seed="many")

    assert_refused(podcast("render", "job.yaml"), tmp_path, ("job.yaml:1", "'many'"), ("job.md:1", "nothing to say"))


def test_a_broken_voice_is_told_of(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A voice beside the manifest with faults in it is refused at its own lines."""
    make_job(SPEECH)
    folder = tmp_path / "voices" / "mine"
    folder.mkdir(parents=True)
    (folder / "voice.yaml").write_text("description: Mine\nconsent: I agree.\ndraft: {rate_wpm: fast}\nprmpt: x\n")
    place = "voices/mine/voice.yaml"
    assert_refused(podcast("render", "job.yaml"), tmp_path, (f"{place}:3", "'fast'"), (f"{place}:4", '"prompt"'))

    (folder / "voice.yaml").write_text("description: Mine\nconsent: I agree.\nprompt: none.wav\n")
    assert_refused(podcast("render", "job.yaml"), tmp_path, (f"{place}:3", 'no file "none.wav"'))

    (folder / "voice.yaml").write_text("description: Mine\nconsent: I agree.\ndraft: {variant: f99, accent: xx}\n")
    make_job(SPEECH, narrator="mine")
    assert_refused(podcast("render", "job.yaml"), tmp_path, ("job.yaml:1", '"f99"'), ("job.yaml:1", '"xx"'))


def test_the_output_folder_cannot_be_made(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A file where a folder is needed, and a name no file system takes, end with a message and no takes."""
    make_job(SPEECH)
    (tmp_path / "file").write_text("in the way")
    half = tmp_path / "half" / "job"
    half.mkdir(parents=True)
    (half / "takes").write_text("in the way")

    for out, words in (
        ("file", "file"),
        ("file/below", "file"),
        ("half", "file"),
        ("/proc/nowhere", ""),
        ("x" * 300, ""),
    ):
        answer = podcast("render", "job.yaml", "--out", out, "--engine", "tone")
        assert answer.code in (1, 2), answer.err
        assert "Traceback" not in answer.err
        (line,) = answer.err.splitlines()
        assert MESSAGE.fullmatch(line), line
        assert line.startswith(out)
        assert words in line
    assert not list(tmp_path.glob("**/*.flac"))
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_in_a_files_place_is_told(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A folder in the place of a deliverable ends with a message; one in the place of a chapter is set aside."""
    make_job(SPEECH, deliver=["podcast"])
    blocked = tmp_path / "output" / "job" / "podcast/Unknown author/A test/A test.mp3"
    blocked.mkdir(parents=True)
    answer = podcast("render", "job.yaml", "--engine", "tone")
    assert answer.code in (1, 2), answer.err
    assert blocked.name in answer.err
    assert "Traceback" not in answer.err
    blocked.rmdir()
    chapter = tmp_path / "output" / "job" / "chapters" / "01 - One.flac"
    chapter.unlink()
    chapter.mkdir()
    assert podcast("render", "job.yaml", "--engine", "tone").code == 0
    assert chapter.is_file()
    assert chapter.with_name(chapter.name + ".damaged").is_dir()


def test_a_foreign_folder_among_the_chapters_does_no_harm(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A folder that some file server puts among the chapters (@eaDir) does not end a render."""
    make_job(SPEECH, deliver=["podcast"])
    (tmp_path / "output" / "job" / "chapters" / "@eaDir").mkdir(parents=True)

    answer = podcast("render", "job.yaml", "--engine", "tone")

    assert answer.code == 0, answer.err


def test_two_jobs_of_one_name_do_not_mix(podcast: Podcast, tmp_path: Path) -> None:
    """A second manifest of the same name in another folder is refused, and the first one's files stay."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "job.yaml").write_text(HEAD)
        (tmp_path / folder / "job.md").write_text(SPEECH + folder)
    assert podcast("render", "a/job.yaml", "--engine", "tone").code == 0
    before = sorted((tmp_path / "output").glob("job/takes/*"))

    answer = podcast("render", "b/job.yaml", "--engine", "tone")

    assert answer.code == 2
    assert str(tmp_path / "a" / "job.yaml") in answer.err
    assert sorted((tmp_path / "output").glob("job/takes/*")) == before


def test_the_real_command_refuses_as_well(tmp_path: Path, make_job: MakeJob) -> None:
    """The installed command ends with code 2, says what is wrong on stderr only, and prints no traceback."""
    make_job(SPEECH, seed="many", cast={"Ann": "adda"})
    ended = run_podcast("render", "job.yaml", "--json", cwd=tmp_path)
    assert_refused(
        Answer(ended.returncode, ended.stdout, ended.stderr),
        tmp_path,
        ("job.yaml:1", "'many'"),
        ("job.yaml:1", 'Did you mean "ada"?'),
    )
    for arguments in (
        ("render",),
        ("render", "job.yaml", "--jobs", "0"),
        ("render", "job.yaml", "--engine", "x"),
        ("x",),
    ):
        ended = run_podcast(*arguments, cwd=tmp_path)
        assert ended.returncode == 2
        assert "Usage:" in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_one_broken_manifest_does_not_stop_the_others(tmp_path: Path, make_job: MakeJob) -> None:
    """Of several manifests the sound ones are rendered, the broken one is told of, and stdout stays JSON."""
    make_job(name="first")
    make_job("# Silent\n", name="broken")
    make_job(SPEECH, name="last")

    ended = run_podcast("render", "first.yaml", "broken.yaml", "last.yaml", "--engine", "tone", "--json", cwd=tmp_path)

    assert ended.returncode == 1, ended.stderr
    assert [report["job"] for report in json.loads(ended.stdout)] == ["first", "last"]
    assert [report["status"] for report in json.loads(ended.stdout)] == ["done", "done"]
    assert 'broken.md:1: the chapter "Silent" has nothing to say.' in ended.stderr
    assert "Traceback" not in ended.stderr
    for job in ("first", "last"):
        assert len(list((tmp_path / "output" / job).glob("*/*/*/*.mp3"))) == 1
    assert not (tmp_path / "output" / "broken").exists()


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
    """UTF-8 with and without byte order mark and UTF-16 with one are all read as the same text."""
    manifest = make_job(deliver=["podcast"])
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    text = f"{mark}# Één\n\nA café in Málaga, naïve as ever.\n"
    (tmp_path / "job.md").write_bytes(text.replace("\n", "\r\n").encode(encoding))

    report = render(podcast, manifest)

    assert [chapter["title"] for chapter in report["chapters"]] == ["Één"]
    assert "A café in Málaga, naïve as ever." in transcript(manifest)
    assert report["problems"] == []


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
