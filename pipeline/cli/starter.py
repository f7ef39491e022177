"""The starter: a manifest and a script to begin with, commented; or the manifest of a script that is there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import Problem, RequestError
from pipeline.files import storage_errors, write_text
from pipeline.jobs.request import read_request
from pipeline.settings import Settings
from pipeline.source.keys import is_lexicon
from pipeline.source.manifest import Manifest, manifest_of
from pipeline.source.readers import YAML_SUFFIXES, conversion, is_script
from pipeline.source.script import Script, speakers
from pipeline.source.voices import Casting

_MANIFEST = """\
# Render with:  podcast render {manifest}
# Only script is required, and title where the script has none.

title: "{title}"
script: {script}            # a file beside this one, or a list of files

{author}
{kind}             # podcast: one episode; audiobook: one file a chapter, headings are spoken
{language}              # en, en-gb, de, fr ...
# engine: draft             # draft: at once, on any machine; kokoro: English, and better; dia: Dia-1.6B
# seed: 0                   # another number is another performance

{cast}

{deliver}

# pronounce: {{Nguyen: win}}  # how names are said; many stand in lexicon.yaml
# pauses: {{turn_s: 0.35, paragraph_s: 0.6, scene_s: 1.5}}

# cover: cover.jpg          # JPEG or PNG beside this file
# series: My Show           # of a podcast, with season and episode; of a book, with part: 1
# season: 1
# episode: 1
# read_by: Jane Doe
# year: 2026
{description}
"""

_STARTER = {  # what stands there where nothing is known
    "author": "# author: Your Name",
    "kind": "# kind: podcast",
    "language": "# language: en",
    "cast": """\
# cast:                     # who speaks with which voice; `podcast voices` lists them
#   Ann: ada
#   Bob: ben
# narrator: ada             # text that is nobody's turn""",
    "deliver": """\
# deliver:                  # podcast, acx, m4b, wav, flac; the first two lines are the default
#   - podcast
#   - m4b
#   - preset: acx           # a preset with fields of its own
#     tail_s: 3""",
    "description": "# description: One or two sentences that players show.",
}

_SCRIPT = """\
# Welcome

**Ann:** Hello, and welcome to the first episode.

**Bob:** Good to be here. A line that begins with a name in bold is a turn.

A paragraph without a name goes on in the same voice.

*(A line in brackets like this one is a stage direction: nobody speaks it.)*

# Second chapter

**Ann:** A heading starts a chapter. Three dashes make a longer pause.

---

**Bob:** And this makes one of exactly two seconds. [pause 2s] See?
"""


def write_new(path: Path, settings: Settings) -> tuple[tuple[Path, ...], list[Problem]]:
    """Write the manifest of the script in `path`, or a new manifest and script of that name. Returns it, and notes.

    Raises `RequestError` rather than overwrite anything, and for a script that is not there or cannot be read.
    """
    names_script = is_script(path) or conversion(path, str(path)) is not None
    if names_script and (path.suffix.lower() not in YAML_SUFFIXES or os.path.lexists(path)):
        manifest, notes = write_manifest(path, settings)
        return (manifest,), notes
    return write_starter(path), []


def write_starter(path: Path) -> tuple[Path, Path]:
    """Write `path`.yaml and `path`.md. Raises `RequestError` rather than overwrite anything."""
    manifest = path if path.suffix in (".yaml", ".yml") else path.with_name(path.name + ".yaml")
    script = manifest.with_suffix(".md")
    _check_name(manifest)
    for file in (manifest, script):
        if file.exists():
            raise RequestError(Problem(str(file), "is there already.", "Choose another name."))
    title = manifest.stem.replace("-", " ").replace("_", " ").strip().capitalize() or "Untitled"
    with storage_errors(manifest):
        manifest.parent.mkdir(parents=True, exist_ok=True)
    write_text(script, _SCRIPT)
    write_text(manifest, _filled(manifest, title, script, _STARTER))
    return manifest, script


def write_manifest(script: Path, settings: Settings) -> tuple[Path, list[Problem]]:
    """Write the manifest of a script beside it, as the script alone would be rendered, with the voices of its speakers.

    Returns it, and a note where another manifest names the script.
    Raises `RequestError` rather than overwrite anything, and for a script that cannot be read.
    """
    manifest = script.with_suffix(".yaml")
    _check_name(manifest)
    if os.path.lexists(manifest):
        raise RequestError(Problem(str(manifest), "is there already.", "Change that one, or move it away."))
    request = read_request(script, settings)
    if not request.manifest.is_script:
        raise RequestError(Problem(str(script), "is there already.", "Choose another name."))
    if request.script is None or not request.script.chapters:
        raise RequestError(*request.problems)
    job = request.manifest
    lines = dict(_STARTER)
    if job.author:
        lines["author"] = f"author: {_quoted(job.author)}"
    if job.kind != "podcast":
        lines["kind"] = f"kind: {job.kind}"
    if job.language != "en":
        lines["language"] = f"language: {job.language}"
    if job.description:
        lines["description"] = f"description: {_quoted(job.description)}"
    if job.deliver != Manifest.model_fields["deliver"].default:
        lines["deliver"] = f"deliver: [{', '.join(preset.preset for preset in job.deliver)}]"
    if request.casting is not None:
        lines["cast"] = _cast(request.script, request.casting)
    other = manifest_of(script.absolute())
    write_text(manifest, _filled(manifest, job.title, script, lines))
    what = f"{script.name} is named by {other.name if other else ''} too, and each of the two is a job of its own."
    return manifest, [Problem(str(manifest), what, "Keep one of them.")] if other else []


def _cast(script: Script, casting: Casting) -> str:
    """The voices of those who speak, and of the narrator where something is nobody's turn."""
    cast = speakers(script)
    lines = _STARTER["cast"].splitlines()
    if cast:
        lines = ["cast:", *(f"  {_yaml_name(name)}: {casting.roles[name].voice.name}" for name in cast), lines[-1]]
    if any(turn.speaker is None for chapter in script.chapters for turn in chapter.turns):
        lines[-1] = f"narrator: {casting.roles[None].voice.name}               # text that is nobody's turn"
    return "\n".join(lines)


def _check_name(manifest: Path) -> None:
    if is_lexicon(manifest):
        raise RequestError(Problem(str(manifest), "is the name of a lexicon.", "Choose another name."))


def _filled(manifest: Path, title: str, script: Path, lines: Mapping[str, str]) -> str:
    return _MANIFEST.format(manifest=manifest, title=_quoted(title)[1:-1], script=_yaml_name(script.name), **lines)


def _quoted(text: str) -> str:
    """`text` as a YAML scalar on one line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _yaml_name(name: str) -> str:
    """`name` as a YAML scalar; quoted unless it is plainly harmless."""
    return name if re.fullmatch(r"[^\W\d_][\w.-]*(?: [\w.-]+)*", name) else _quoted(name)
