"""The starter: a manifest and a script to begin with, commented."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import Problem, RequestError
from pipeline.files import storage_errors, write_text

_MANIFEST = """\
# Render with:  podcast render {manifest}
# Only title and script are required.

title: "{title}"
script: {script}            # a file beside this one, or a list of files

# author: Your Name
# kind: podcast             # podcast: one episode; audiobook: one file a chapter, headings are spoken
# language: en              # en, en-gb, de, fr ...
# engine: draft             # draft: at once, on any machine; dia: Dia-1.6B
# seed: 0                   # another number is another performance

# cast:                     # who speaks with which voice; `podcast voices` lists them
#   Ann: ada
#   Bob: ben
# narrator: clara           # text that is nobody's turn

# deliver:                  # podcast, acx, m4b, wav, flac; the first two lines are the default
#   - podcast
#   - m4b
#   - preset: acx           # a preset with fields of its own
#     tail_s: 3

# pauses: {{turn_s: 0.35, paragraph_s: 0.6, scene_s: 1.5}}

# cover: cover.jpg          # JPEG or PNG beside this file
# series: My Show           # of a podcast, with season and episode; of a book, with part: 1
# season: 1
# episode: 1
# read_by: Jane Doe
# year: 2026
# description: One or two sentences that players show.
"""

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


def write_starter(path: Path) -> tuple[Path, Path]:
    """Write `path`.yaml and `path`.md. Raises `RequestError` rather than overwrite anything."""
    manifest = path if path.suffix in (".yaml", ".yml") else path.with_name(path.name + ".yaml")
    script = manifest.with_suffix(".md")
    for file in (manifest, script):
        if file.exists():
            raise RequestError(Problem(str(file), "is there already.", "Choose another name."))
    title = manifest.stem.replace("-", " ").replace("_", " ").strip().capitalize() or "Untitled"
    quoted = title.replace("\\", "\\\\").replace('"', '\\"')
    with storage_errors(manifest):
        manifest.parent.mkdir(parents=True, exist_ok=True)
    write_text(script, _SCRIPT)
    text = _MANIFEST.format(manifest=manifest, title=quoted, script=_yaml_name(script.name))
    write_text(manifest, text)
    return manifest, script


def _yaml_name(name: str) -> str:
    """`name` as a YAML scalar; quoted unless it is plainly harmless."""
    if name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
