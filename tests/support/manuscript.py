"""A manuscript of ten pages in every format, and what a careful reader says of it, word for word.

Four chapters of prose and dialogue, with what stands beside a text in each format: notes, page numbers, pictures,
directions, times. A format leaves out the elements that it has no way to write.
"""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from collections.abc import Iterator, Sequence
from html import escape

from tests.support.books import Book
from tests.support.office_files import docx, fb2, odt, paragraph, run

_WORDS = (
    "the harbour was quiet and nobody had seen the boat since the evening before when a lamp still burned in the "
    "window of the old house by the river where captain Brook kept his letters and his charts in a box of green tin"
).split()
Line = tuple[str, str]  # who says it ("" the narrator) and what is said; "#" before a title, "*" a scene break


def _sentences(dice: random.Random, count: int) -> str:
    sentences = []
    for _ in range(count):
        words = [dice.choice(_WORDS) for _ in range(dice.randint(7, 15))]
        words[3] += dice.choice((",", "", "", ";"))
        sentences.append(" ".join(words).capitalize() + dice.choice((".", ".", ".", "?", "!")))
    return " ".join(sentences)


def lines() -> Iterator[Line]:
    """The manuscript: about 2,700 words."""
    dice = random.Random(3)
    for number, title in enumerate(("The Lamp", "A Letter", "Low Water", "Home"), start=1):
        yield "#", f"Chapter {number}: {title}"
        for _ in range(7):
            yield "", _sentences(dice, dice.randint(4, 6))
        yield "*", ""
        for _ in range(6):
            yield "Ann", _sentences(dice, dice.randint(1, 3))
            yield "Bob", _sentences(dice, dice.randint(1, 2))
        yield "", f"Tom & Jerry's <sign> said “5 < 6” — it's no. {number}. " + _sentences(dice, 2)


def spoken(kind: str) -> list[tuple[str | None, str]]:
    """What is said of it as an audiobook, with its titles, or as a podcast; of the dialogue alone as a "screenplay"."""
    said: list[tuple[str | None, str]] = []
    for who, text in lines():
        if who in ("Ann", "Bob"):
            said.append((who, text))
        elif (who == "#" and kind == "audiobook") or (not who and kind != "screenplay"):
            said.append((None, text))
    return said


def _paragraphs(note: str, page: str) -> list[tuple[str, str]]:
    """HTML's elements with their text: kind and markup; `note` and `page` are what stands beside the text."""
    blocks: list[tuple[str, str]] = []
    for number, (who, text) in enumerate(lines()):
        words = escape(text, quote=False)
        if number % 9 == 4:
            head, _, tail = words.partition(" ")
            words = f"{head}{note.format(number)} {page.format(number)}{tail}"
        if who == "#":
            blocks.append(("h", escape(text, quote=False)))
        elif who == "*":
            blocks.append(("hr", ""))
        else:
            blocks.append(("p", f"<b>{who}:</b> {words}" if who else words))
    return blocks


def _html(blocks: Sequence[tuple[str, str]]) -> str:
    forms = {"h": "<h2>{0}</h2>", "hr": "<hr/>", "p": "<p>{0}</p>"}
    return "\n".join(forms[kind].format(text) for kind, text in blocks)


def epub(version: int) -> bytes:
    """With a cover, a title page, contents, notes at the end of the book, and page numbers."""
    blocks = _paragraphs('<a href="notes.xhtml#n{0}"><sup>{0}</sup></a>', '<span class="pagenum">[{0}]</span>')
    starts = [index for index, (kind, _text) in enumerate(blocks) if kind == "h"]
    parts = [blocks[start:end] for start, end in zip(starts, [*starts[1:], len(blocks)], strict=True)]
    documents = {
        "cover.xhtml": '<img src="cover.png" alt="A lamp in a window"/>',
        "title.xhtml": "<h1>The Lighthouse</h1><p>by Jo March</p>",
        "copyright.xhtml": "<p>© 2020 Jo March. All rights reserved. ISBN 978-3-16-148410-0</p>",
        **{f"c{number}.xhtml": _html(part) for number, part in enumerate(parts)},
        "notes.xhtml": "<h2>Notes</h2>"
        + "".join(f'<p id="n{n}"><a href="c0.xhtml">{n}</a> A note.</p>' for n in range(4, 100, 9)),
    }
    toc = [(re.sub(r"&amp;", "&amp;", part[0][1]), f"c{number}.xhtml") for number, part in enumerate(parts)]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in Book(documents, toc, version=version).members().items():
            package.writestr(name, data)
    return file.getvalue()


def html() -> str:
    """With a menu, notes at the foot, and a picture."""
    blocks = _paragraphs('<a href="#n{0}"><sup>{0}</sup></a>', '<span class="pageno">{0}</span>')
    notes = "".join(f'<li id="n{n}">A note.</li>' for n in range(4, 100, 9))
    figure = '<figure><img src="x.png" alt="A lamp"/><figcaption>Plate 1</figcaption></figure>'
    body = f"{_html(blocks)}{figure}<h3>Notes</h3><ol>{notes}</ol>"
    return f"<!DOCTYPE html><nav><a href='/'>Home</a></nav><main>{body}</main>"


def markdown() -> str:
    """With footnotes."""
    blocks = _paragraphs("[^{0}]", "")
    forms = {"h": "# {0}", "hr": "---", "p": "{0}"}
    text = "\n\n".join(forms[kind].format(words.replace("<b>", "**").replace("</b>", "**")) for kind, words in blocks)
    return text + "".join(f"\n\n[^{n}]: A note." for n in range(4, 100, 9)) + "\n"


def _runs(words: str) -> list[str]:
    name = re.match(r"<b>(.*?)</b>(.*)", words, re.DOTALL)
    return [run(name[1], "<w:b/>"), run(name[2])] if name else [run(words)]


def word() -> bytes:
    """With deletions, comments' marks and empty paragraphs left by habit."""
    body = []
    for kind, words in _paragraphs("", ""):
        if kind == "h":
            body.append(paragraph(words, style="Heading1"))
        else:
            body.append(paragraph("***") if kind == "hr" else paragraph(*_runs(words)))
    return docx(*body)


def opendocument() -> bytes:
    forms = {
        "h": '<text:h text:outline-level="1">{0}</text:h>',
        "hr": "<text:p>***</text:p>",
        "p": "<text:p>{0}</text:p>",
    }
    bold = r'<text:span text:style-name="T1">\1</text:span>'
    return odt(*(re.sub("<b>(.*?)</b>", bold, forms[kind].format(words)) for kind, words in _paragraphs("", "")))


def fictionbook() -> bytes:
    blocks = _paragraphs("", "")
    text = ""
    for kind, words in blocks:
        strong = words.replace("<b>", "<strong>").replace("</b>", "</strong>")
        if kind == "h":
            text += ("</section>" if text else "") + f"<section><title><p>{strong}</p></title>"
        else:
            text += "<subtitle>* * *</subtitle>" if kind == "hr" else f"<p>{strong}</p>"
    return fb2(text + "</section>")


def fountain() -> str:
    """Of the dialogue; what the narrator reads is action, which nobody asked for."""
    text = "Title: The Lighthouse\nAuthor: Jo March\n\n"
    for number, (who, words) in enumerate(lines()):
        if who == "#":
            text += f"# {words}\n\nINT. A HOUSE - NIGHT #{number}#\n\n"
        elif who in ("Ann", "Bob"):
            text += f"{who.upper()}{' (V.O.)' if number % 3 else ''}\n(softly)\n{words}\n\n"
        elif who != "*":
            text += f"{words[:1].upper()}{words[1:]} [[a note]]\n\n/* cut */\n\n"
    return text + "> CUT TO:\n"


def cues(form: str) -> str:
    """Of the dialogue, its words on lines of forty characters, two lines in a cue."""
    text, at = ("WEBVTT\n\nNOTE made by hand\n\n" if form == "vtt" else ""), 0.0
    number = 0
    for who, words in ((who, words) for who, words in lines() if who in ("Ann", "Bob")):
        rows = re.findall(r".{1,40}(?:\s|$)", words)
        for first in range(0, len(rows), 2):
            number += 1
            body = "\n".join(row.strip() for row in rows[first : first + 2])
            name = f"<v {who}>" if form == "vtt" else "" if first else f"{who.upper()}: "
            body = escape(body, quote=False) if form == "vtt" else body
            text += f"{number}\n{_stamp(at, form)} --> {_stamp(at + 2, form)}\n{name}{body}\n\n"
            at += 2.0
        at += 3.0
    return text


def _stamp(seconds: float, form: str) -> str:
    sign = "." if form == "vtt" else ","
    return f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}{sign}000"


def podcasting() -> str:
    segments = [
        {"speaker": who, "startTime": number * 10, "endTime": number * 10 + 5, "body": words}
        for number, (who, words) in enumerate(line for line in lines() if line[0] in ("Ann", "Bob"))
    ]
    return json.dumps({"version": "1.0.0", "segments": segments})
