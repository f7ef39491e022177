"""One scene in every format, and the turns that it has in all of them.

`FORMATS` are files by their names, as text or bytes; whoever adds a format adds its file there.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from html import escape, unescape

from pipeline.source.script import Border, Reading, Script
from tests.support.books import Book
from tests.support.office_files import docx, fb2, odt, paragraph, run

READING = Reading("podcast", cast=("Ann", "Bob Lee"))
TURNS: list[tuple[str | None, str, Border]] = [
    ("Ann", "Good evening, and welcome to the late bus. I am Ann, and this is the stop by the river.", "chapter"),
    ("Bob Lee", "(laughs) It is *always* late, isn't it?".replace("*", ""), "turn"),
    ("Bob Lee", "Tom & Jerry's on the corner, at 9:15, <if> you like.", "paragraph"),
    ("Ann", "“So it goes”, as they say… Shall we?", "turn"),
]

MARKDOWN = """\
**Ann:** Good evening, and welcome to the late bus.
I am Ann, and this is the stop by the river.

**Bob Lee:** (laughs) It is *always* late, isn't it?

Tom & Jerry's on the corner, at 9:15, <if> you like.

**Ann:** “So it goes”, as they say… Shall we?
"""

YAML = """\
- Ann: Good evening, and welcome to the late bus. I am Ann, and this is the stop by the river.
- Bob Lee: |-
    (laughs) It is *always* late, isn't it?

    Tom & Jerry's on the corner, at 9:15, <if> you like.
- Ann: “So it goes”, as they say… Shall we?
"""

FOUNTAIN = """\
Title: The Late Bus

INT. A BUS - NIGHT

ANN
Good evening, and welcome to the late bus.
I am Ann, and this is the stop by the river.

BOB LEE (O.S.)
(laughing)
It is *always* late, isn't it?

He sits down.

BOB LEE (CONT'D)
Tom & Jerry's on the corner, at 9:15, <if> you like.

ANN
(with a look at him)
“So it goes”, as they say… Shall we?

CUT TO:
"""

SRT = """\
1
00:00:01,000 --> 00:00:03,000
Ann: Good evening, and
welcome to the late bus.

2
00:00:03,000 --> 00:00:05,500
I am Ann, and this is
the stop by the river.

3
00:00:06,000 --> 00:00:08,000
Bob Lee: (LAUGHS)
It is <i>always</i> late, isn't it?

4
00:00:11,000 --> 00:00:13,000
Tom &amp; Jerry's on the corner,
at 9:15, <if> you like.

5
00:00:13,500 --> 00:00:15,000
Ann: “So it goes”, as they
say… Shall we?
"""

VTT = """\
WEBVTT

00:01.000 --> 00:03.000
<v Ann>Good evening, and
welcome to the late bus.

00:03.000 --> 00:05.500
<v Ann>I am Ann, and this is
the stop by the river.

00:06.000 --> 00:08.000
<v Bob Lee>(LAUGHS)
It is <i>always</i> late, isn't it?</v>

00:11.000 --> 00:13.000
<v Bob Lee>Tom &amp; Jerry's on the corner,
at 9:15, &lt;if&gt; you like.

00:13.500 --> 00:15.000
<v Ann>“So it goes”, as they
say… Shall we?
"""

SEGMENTS = [
    ("Ann", 1.0, 3.0, "Good evening, and welcome to the late bus."),
    ("Ann", 3.0, 5.5, "I am Ann, and this is the stop by the river."),
    ("Bob Lee", 6.0, 8.0, "(laughs) It is always late, isn't it?"),
    ("Bob Lee", 11.0, 13.0, "Tom & Jerry's on the corner, at 9:15, <if> you like."),
    ("Ann", 13.5, 15.0, "“So it goes”, as they say… Shall we?"),
]

PODCASTING = json.dumps(
    {
        "version": "1.0.0",
        "segments": [
            {"speaker": name, "startTime": start, "endTime": end, "body": body} for name, start, end, body in SEGMENTS
        ],
    }
)
WHISPERX = json.dumps(
    {
        "segments": [
            {"start": start, "end": end, "text": f" {body}", "speaker": name.upper(), "words": []}
            for name, start, end, body in SEGMENTS
        ],
        "language": "en",
    }
)

_LINES = (
    ("<b>Ann:</b> ", "Good evening, and welcome to the late bus. I am Ann, and this is the stop by the river."),
    ("<b>Bob Lee:</b> ", "(laughs) It is <i>always</i> late, isn't it?"),
    ("", "Tom &amp; Jerry's on the corner, at 9:15, &lt;if> you like."),
    ("<b>Ann:</b> ", "“So it goes”, as they say… Shall we?"),
)
_PARAGRAPHS = "\n".join(f"<p>{name}{text}</p>" for name, text in _LINES)
HTML = f"<!DOCTYPE html><html><head><title>The Late Bus</title></head><body>{_PARAGRAPHS}</body></html>"


def _epub() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in Book({"a.xhtml": _PARAGRAPHS}, title="The Late Bus").members().items():
            package.writestr(name, data)
    return file.getvalue()


def _docx() -> bytes:
    """Each element of a line is a run of its own."""
    styles = {"b": "<w:b/>", "i": "<w:i/>", "": ""}
    paragraphs = []
    for name, text in _LINES:
        runs = re.findall(r"<([bi])>(.*?)</[bi]>|([^<]+)", name + text)
        paragraphs.append(
            paragraph(*(run(escape(unescape(inner or plain)), styles[tag]) for tag, inner, plain in runs))
        )
    return docx(*paragraphs)


def _odt() -> bytes:
    bold = re.compile(r"<b>(.*?)</b>")
    lines = [bold.sub(r'<text:span text:style-name="T1">\1</text:span>', name) + text for name, text in _LINES]
    return odt(*(f"<text:p>{re.sub('</?i>', '', line)}</text:p>" for line in lines))


def _fb2() -> bytes:
    text = _PARAGRAPHS.replace("<b>", "<strong>").replace("</b>", "</strong>")
    return fb2("<section>" + text.replace("<i>", "<emphasis>").replace("</i>", "</emphasis>") + "</section>")


def _rtf() -> bytes:
    """Characters that ASCII lacks are escapes, as every program writes them."""
    text = unescape("\\par ".join(name + text for name, text in _LINES))
    for tag, sign in (("b", "b"), ("i", "i")):
        text = text.replace(f"<{tag}>", f"{{\\{sign} ").replace(f"</{tag}>", "}")
    escaped = "".join(char if char.isascii() else f"\\u{ord(char)}?" for char in text)
    return f"{{\\rtf1\\ansi {escaped}\\par}}".encode("ascii")


FORMATS: dict[str, str | bytes] = {
    "scene.md": MARKDOWN,
    "scene.txt": MARKDOWN.replace("**", "").replace("*", ""),
    "scene.yaml": YAML,
    "scene.fountain": FOUNTAIN,
    "scene.srt": SRT,
    "scene.vtt": VTT,
    "podcasting.json": PODCASTING,
    "whisperx.json": WHISPERX,
    "scene.html": HTML,
    "scene.epub": _epub(),
    "scene.docx": _docx(),
    "scene.odt": _odt(),
    "scene.fb2": _fb2(),
    "scene.rtf": _rtf(),
}


def spoken_turns(script: Script) -> list[tuple[str | None, str, Border]]:
    """What is heard of a script: who says what, after which border."""
    return [(turn.speaker, turn.text, turn.border) for chapter in script.chapters for turn in chapter.turns]
