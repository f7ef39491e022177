"""Wrong manifests and scripts, with what has to be told of each, and what it is to be refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

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
    wrong("script a mapping", "title: A test\nscript: {a: b}\n", ("job.yaml:2", 'no "script.file"')),
    wrong("script an empty list", "title: A test\nscript: []\n", ("job.yaml:2", '"script"')),
    wrong("script empty", 'title: A test\nscript: ""\n', ("job.yaml:2", "no script is named")),
    wrong("a script empty", 'title: A test\nscript:\n  - job.md\n  - " "\n', ("job.yaml:4", "no script is named")),
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
    wrong("preset's name a list", f"{HEAD}deliver:\n  - preset: [m4b]\n", ("job.yaml:4", "a preset is a name")),
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
    wrong("unknown key, no idea", f"{HEAD}zzz: en\n", ("job.yaml:3", "Known: aliases, author, cast,")),
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
    wrong(
        "script missing", "title: A test\nscript: jbo.md\n", ("job.yaml:2", 'no file "jbo.md". Did you mean "job.md"?')
    ),
    wrong("script folder missing", "title: A test\nscript: parts/one.md\n", ("job.yaml:2", 'no file "parts/one.md"')),
    wrong("script suffix", "title: A test\nscript: job.png\n", ("job.png", 'a ".png" file cannot be a script')),
    wrong("script in PDF", "title: A test\nscript: job.pdf\n", ("job.pdf", 'a ".pdf" file cannot be read.')),
    wrong("script suffix missing", "title: A test\nscript: job.docx\n", ("job.yaml:2", 'there is no file "job.docx"')),
    wrong("script name too long", f"title: A test\nscript: {'x' * 300}.md\n", ("job.yaml:2", f"{'x' * 60}…")),
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
    wrong("language a path", f"{HEAD}language: ../etc\n", ("job.yaml:3", "Write one such as en, en-GB or de.")),
    wrong("language a name", f"{HEAD}language: German\n", ("job.yaml:3", 'Did you mean "de"?')),
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
        ("job.yaml:2", "control character"),
        arguments=("--allow-outside",),
    ),
    # covers
    wrong("cover missing", f"{HEAD}cover: none.png\n", ("job.yaml:3", "cannot be read")),
    wrong("cover a folder", f"{HEAD}cover: .\n", ("job.yaml:3", "cannot be read")),
    wrong("cover a text", f"{HEAD}cover: job.md\n", ("job.yaml:3", "neither JPEG nor PNG")),
]
