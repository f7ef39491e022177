"""Lexicons: which files are read for a job, and which goes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engines import TRAITS
from pipeline.errors import RequestError
from pipeline.settings import load_settings
from pipeline.source.lexicons import load_lexicon, read_lexicon, unusable_entries, uses
from pipeline.source.manifest import load_manifest
from pipeline.source.script import Chapter, Script, Turn
from pipeline.source.spoken.lexicon import Lexicon
from pipeline.source.spoken.pairs import Normalizer, said

SCRIPT = Script(
    (
        Chapter("One", (Turn("Ann", "Nguyen and Marx.", "chapter", "s.md:3"),), "s.md:1"),
        Chapter("Two", (Turn(None, "Nguyen's Bo.", "chapter", "s.md:7"),), "s.md:5"),
    )
)


def write(folder: Path, **files: str) -> Path:
    """Files by their names, `__` for a slash; returns the manifest."""
    for name, text in ({"job": "title: x\nscript: s.md\n"} | files).items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "job.yaml"


def lexicon_of(manifest: Path, machine: Path | None = None, *, allow_outside: bool = False) -> Lexicon:
    loaded, problems = load_manifest(manifest)
    assert problems == []
    return load_lexicon(loaded, load_settings(lexicon=machine), allow_outside=allow_outside)


def test_the_nearer_file_goes_first(tmp_path: Path) -> None:
    """The manifest, the file beside it, those of the folder by name, the machine's."""
    machine = tmp_path / "machine"
    machine.mkdir()
    (machine / "all.yaml").write_text("{A: machine, B: machine, C: machine, D: machine, E: {say: x, job: other}}")
    show = tmp_path / "show"
    show.mkdir()
    manifest = write(
        show,
        job="title: x\nscript: s.md\npronounce: {A: manifest}\n",
        lexicon="{A: beside, B: beside}",
        lexicon__b="{C: second}",
        lexicon__a="{A: folder, B: folder, C: folder, F: {say: f, job: JOB}}",
    )
    lexicon = lexicon_of(manifest, machine)
    normalizer = Normalizer("en", lexicon=lexicon.for_engine("en", str))
    assert said(normalizer.pairs("A B C D E F")) == "manifest beside folder machine E f"
    assert said(Normalizer("en", lexicon=lexicon_of(manifest, machine / "all.yaml")).pairs("D")) == "machine"
    assert len(lexicon_of(manifest, show / "lexicon").entries) == len(lexicon_of(manifest).entries)


def test_what_is_wrong_in_all_files_is_told_at_once(tmp_path: Path) -> None:
    manifest = write(tmp_path, lexicon="A: 1\n", lexicon__a="- x\n", lexicon__b="A: {say: x\n", lexicon__c="")
    with pytest.raises(RequestError) as error:
        lexicon_of(manifest, tmp_path / "nowhere")
    assert [problem.where.removeprefix(f"{tmp_path}/") for problem in error.value.problems] == [
        "PODCAST_LEXICON",
        "lexicon.yaml:1",
        "lexicon/a.yaml:1",
        "lexicon/b.yaml:1",
    ]
    manifest.write_text("title: x\nscript: s.md\npronounce:\n  A: win\n  B: {sya: x}\n")
    assert [str(problem) for problem in load_manifest(manifest)[1]] == [
        f'{manifest}:5: unknown key "sya". Did you mean "say"?'
    ]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    show = tmp_path / "show"
    show.mkdir()
    (tmp_path / "other.yaml").write_text("A: b")
    manifest = write(show)
    (show / "lexicon.yaml").symlink_to(tmp_path / "other.yaml")
    with pytest.raises(RequestError, match="outside the manifest's folder"):
        lexicon_of(manifest)
    assert len(lexicon_of(manifest, allow_outside=True).entries) == 1


def test_a_lexicon_is_no_manifest(tmp_path: Path) -> None:
    write(tmp_path, lexicon="title: x\nscript: s.md\n", lexicon__a="title: x\nscript: s.md\n")
    for path in (tmp_path / "lexicon.yaml", tmp_path / "lexicon" / "a.yaml"):
        with pytest.raises(RequestError, match="this is a lexicon, and no manifest"):
            load_manifest(path)


def test_uses_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("Nguyen: win\nMarx: /mɑːks/\nfoo: bar\nBo: [Бо, {say: x, job: other}]\n")
    lexicon = read_lexicon(path, "--lexicon")
    assert [(use.entry.word, use.times, use.where) for use in uses(lexicon, SCRIPT)] == [
        ("Nguyen", 2, "s.md:3"),
        ("Marx", 1, "s.md:3"),
        ("foo", 0, ""),
        ("Bo", 1, "s.md:7"),
    ]
    notes = [note.what for note in unusable_entries(lexicon, SCRIPT, TRAITS["draft"], "en")]
    assert notes == [
        '"Marx" is said as it is written: the engine draft takes no IPA, and there is no say:.',
        '"Bo" is said as it is written: "Бо" cannot be spoken in language "en".',
    ]
    assert [note.what for note in unusable_entries(lexicon, SCRIPT, TRAITS["kokoro"], "ru")] == []


def test_ipa_that_an_engine_has_no_sound_for_is_told(tmp_path: Path) -> None:
    """With the place of its entry and what is said for it, before anything is rendered."""
    path = tmp_path / "words.yaml"
    path.write_text("Nguyen: {say: win, ipa: ŋwɨnǁ}\nMarx: /mɑːʘʜs/\nBo: {say: Бо, ipa: boʊ}\n")
    lexicon = read_lexicon(path, "--lexicon")
    notes = [str(note) for note in unusable_entries(lexicon, SCRIPT, TRAITS["kokoro"], "en")]
    assert notes == [
        f'{path}:1: the engine kokoro has no sound for "ǁ" in the IPA of "Nguyen", said "win". '
        "Write it with other signs.",
        f'{path}:2: the engine kokoro has no sound for "ʘʜ" in the IPA of "Marx", said as it is written. '
        "Write it with other signs.",
    ]
    normalizer = Normalizer("en", lexicon=lexicon.for_engine("en", TRAITS["kokoro"].unknown_ipa))
    assert said(normalizer.pairs("Nguyen Marx Bo")) == "win Marx /boʊ/"
