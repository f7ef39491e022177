"""Manifests: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.manifest import Dia, Manifest, Pauses, load_manifest, manifest_of
from pipeline.source.presets import PRESETS, Preset


def _load(folder: Path, text: str) -> tuple[Manifest, list[str]]:
    path = folder / "m.yaml"
    path.write_text(text, encoding="utf-8")
    manifest, problems = load_manifest(path)
    return manifest, [str(problem).replace(str(folder) + "/", "") for problem in problems]


def test_two_lines_are_enough(tmp_path: Path) -> None:
    """Everything else has a default."""
    manifest, problems = _load(tmp_path, "title: The Show\nscript: show.md\n")
    assert problems == []
    assert [script.file for script in manifest.script] == ["show.md"]
    assert manifest.deliver == (PRESETS["podcast"], PRESETS["m4b"])
    assert (manifest.kind, manifest.language, manifest.engine, manifest.seed) == ("podcast", "en", "draft", 0)


def test_scalars_mean_what_was_written(tmp_path: Path) -> None:
    """No Norway problem, no numbers where text is meant, and an emptied line counts as left out."""
    text = (
        "title: 1984\nscript: [a.md, b.md]\nlanguage: no\npart: 1.10\nyear: 2026\nauthor:\nseed: 7\ncast: {Yes: ada}\n"
    )
    manifest, problems = _load(tmp_path, text)
    assert problems == []
    assert (manifest.title, manifest.language, manifest.part, manifest.author) == ("1984", "no", "1.10", "")
    assert (manifest.year, manifest.seed, manifest.cast) == (2026, 7, {"Yes": "ada"})


def test_a_preset_can_be_changed(tmp_path: Path) -> None:
    """Field by field; a level of the other kind takes the place of the preset's."""
    text = "title: T\nscript: a.md\ndeliver:\n  - acx\n  - {preset: podcast, rms_db: -21, bitrate_kbps: 192}\n"
    manifest, problems = _load(tmp_path, text)
    assert problems == []
    acx, podcast = manifest.deliver
    assert acx == PRESETS["acx"]
    assert (podcast.rms_db, podcast.lufs, podcast.bitrate_kbps) == (-21, None, 192)
    assert _load(tmp_path, "title: T\nscript: a.md\ndeliver: wav\n")[0].deliver == (PRESETS["wav"],)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("titel: x", 'm.yaml:3: unknown key "titel". Did you mean "title"?'),
        ("kind: podcst", 'm.yaml:3: "podcst" is no kind. Did you mean "podcast"?'),
        ("engine: di", 'm.yaml:3: "di" is no engine. Did you mean "dia"?'),
        ("seed: -1", "m.yaml:3: \"seed\" (it is '-1') has to be at least 0."),
        ("language: english!", 'm.yaml:3: "english!" is no language code.'),
        ("year: soon", "m.yaml:3: \"year\" (it is 'soon') has to be a whole number"),
        ("cast: [Ann]", 'm.yaml:3: "cast" must hold "key: value" lines.'),
        ("author: [a, b]", 'm.yaml:3: "author" must be text, not a list.'),
        ("deliver: mp3", 'm.yaml:3: no preset "mp3". Known: acx, flac, m4b, podcast, wav.'),
        ("deliver: [wav, wav]", 'm.yaml:3: the preset "wav" is named twice.'),
        (
            "deliver: {preset: wav, lufs: -20, rms_db: -20}",
            "m.yaml:3: a level is given twice or not at all.",
        ),
        ("deliver: {preset: m4b, bitrate: 3}", 'm.yaml:3: unknown key "bitrate". Did you mean "bitrate_kbps"?'),
        ("deliver: {bitrate_kbps: 64}", "m.yaml:3: a preset is a name"),
        ("pauses: {turns: 1}", 'm.yaml:3: unknown key "turns". Did you mean "turn_s"?'),
        ("pauses: {turn_s: 99}", 'm.yaml:3: "pauses.turn_s"'),
        ("on_failure: gaps", 'm.yaml:3: "gaps" is no on_failure. Did you mean "gap"?'),
        ("priority: 101", "m.yaml:3: \"priority\" (it is '101') has to be at most 100."),
        ("window: at night", 'm.yaml:3: "at night" is no window of time. Write one such as 23:00-06:30.'),
        ("window: 1:00-25:00", 'm.yaml:3: "1:00-25:00" is no window of time.'),
        ("cover: ../x.png", 'm.yaml:3: "../x.png" is outside the manifest\'s folder.'),
    ],
)
def test_each_problem_has_its_line_and_its_next_step(tmp_path: Path, line: str, problem: str) -> None:
    """One problem, one message."""
    _manifest, problems = _load(tmp_path, f"title: T\nscript: a.md\n{line}\n")
    assert len(problems) == 1
    assert problems[0].startswith(problem)


_NAMES = st.sampled_from([*Manifest.model_fields, *Preset.model_fields, *Pauses.model_fields, *Dia.model_fields])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | _NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(key=st.sampled_from([*Manifest.model_fields]), value=_VALUES)
def test_whatever_a_key_holds_is_taken_or_told(tmp_path_factory: pytest.TempPathFactory, key: str, value: Any) -> None:
    """With the place, or at the file where it is no YAML at all."""
    path = tmp_path_factory.mktemp("manifest") / "m.yaml"
    path.write_text(json.dumps({"title": "T", "script": "a.md"} | {key: value}), encoding="utf-8")
    try:
        _manifest, problems = load_manifest(path)
    except RequestError as error:
        problems = [*error.problems]
    assert all(problem.where.startswith(f"{path}:1") for problem in problems)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """In the order of the file."""
    _manifest, problems = _load(tmp_path, "sript: a.md\nkind: x\nyear: y\npauses: {turn_s: z}\n")
    assert [problem.split()[0] for problem in problems] == ["m.yaml:1:"] * 3 + ["m.yaml:2:", "m.yaml:3:", "m.yaml:4:"]


def test_the_night_can_be_planned(tmp_path: Path) -> None:
    """What goes first, when chunks may be started, and what stands for a take that is no good."""
    manifest, problems = _load(tmp_path, "title: T\nscript: a.md\npriority: -5\nwindow: 23:00-6:30\non_failure: gap\n")
    assert problems == []
    assert (manifest.priority, str(manifest.window), manifest.on_failure) == (-5, "23:00-06:30", "gap")
    plain = _load(tmp_path, "title: T\nscript: a.md\n")[0]
    assert (plain.priority, plain.window, plain.on_failure) == (0, None, "best")


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b\n", "[]"])
def test_what_is_no_mapping_is_no_manifest(tmp_path: Path, text: str) -> None:
    """It says what is needed."""
    with pytest.raises(RequestError, match="at least"):
        _load(tmp_path, text)


def test_paths_stay_inside_unless_allowed(tmp_path: Path) -> None:
    """Absolute, by dots, or through a symbolic link."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out.md").write_text("x")
    (tmp_path / "in" / "link.md").symlink_to(tmp_path / "out.md")
    path = tmp_path / "in" / "m.yaml"
    for script in ("../out.md", str(tmp_path / "out.md"), "link.md"):
        path.write_text(f"title: T\nscript: {script}\n")
        assert "outside" in str(load_manifest(path)[1][0])
        assert load_manifest(path, allow_outside=True)[1] == []


@given(st.text(max_size=300))
def test_nothing_anybody_writes_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """A manifest, problems, or a RequestError."""
    folder = tmp_path_factory.mktemp("m")
    try:
        _load(folder, text.encode("utf-8", "replace").decode())
        _load(folder, "title: T\nscript: a.md\n" + text.encode("utf-8", "replace").decode())
    except RequestError:
        pass


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("speakers: [Ann]\nnot_speakers: [ann]", '3: "Ann" is in speakers: and in not_speakers:.'),
        ("cast: {Ann: ada}\nnot_speakers: [Ann]", '4: "Ann" is in not_speakers: and in cast:.'),
        ("aliases: {Ann: [Bob], Bob: [Ann]}", '3: "Bob" is an alias of Ann, and in aliases:'),
        ("cast: {Bob: leo}\naliases: {Ann: [Bob]}", '4: "Bob" is an alias of Ann, and in cast:'),
        ('speakers: [""]', "3: a name is empty."),
        ('aliases: {"": [Bob]}', "3: a name is empty."),
        ("cast: {ANN: ben, ann: ada}", '3: "ANN" and "ann" are one speaker, in cast: twice.'),
    ],
)
def test_a_name_cannot_be_two_things(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"title: T\nscript: s.md\n{lines}\n", encoding="utf-8")
    _manifest, problems = load_manifest(path)
    assert said in str(problems[0]).partition("job.yaml:")[2]


@pytest.mark.parametrize("name", ["s.srt", "s.vtt", "s.fountain", "s.json"])
def test_a_script_stands_for_a_manifest_and_what_lies_beside_it_does_not(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"segments": []}')
    manifest, problems = load_manifest(tmp_path / name)
    assert ([script.file for script in manifest.script], problems) == ([name], [])
    for what in ("edits", "decisions"):
        (tmp_path / f"job.{what}.yaml").write_text("- {old: a, new: b}")
        with pytest.raises(RequestError, match=rf"these are {what}, and no manifest\. Name the manifest, job\.yaml"):
            load_manifest(tmp_path / f"job.{what}.yaml")


def test_what_happens_in_a_screenplay_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("title: T\nscript: [{file: a.fountain, action: true}, b.fountain]\n")
    manifest, problems = load_manifest(tmp_path / "job.yaml")
    assert (problems, [reading.action for reading in manifest.readings()]) == ([], [True, False])


def test_the_manifest_of_a_script_is_the_one_that_names_it(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text("Words.")
    (tmp_path / "one.yaml").write_text("title: b.md\nscript: a.md\n")
    (tmp_path / "wrong.yaml").write_text("b.md: [")
    assert [manifest_of(tmp_path / name) for name in ("a.md", "b.md", "c.md")] == [tmp_path / "one.yaml", None, None]
