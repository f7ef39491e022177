"""Packages as nobody would write them on purpose: books and documents with members cut, swapped, mixed and broken.

`python -m tests.support.odd_packages 10000` reads that many and says what raises, is lost, slow or large.
"""

from __future__ import annotations

import io
import random
import resource
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from pipeline.errors import RequestError
from pipeline.source.readers import load_script
from pipeline.source.script import Reading
from tests.support.books import PIXEL, Book, lost_nodes
from tests.support.office_files import docx, field, paragraph, run, table, text_box

PIECES = (
    "<p>~</p>~<h2>~</h2>~<b>~</i>~<br/>~<hr/>~<table><tr><td>~</td></tr></table>~<!-- ~-->~<![CDATA[~]]>~"
    "&nbsp;~&mdash;~&unknown;~&~<~>~&#0;~&#x110000;~&lt;~<!DOCTYPE html [<!ENTITY x 'y'>]>~&x;~"
    "<?php ~?>~\ufeff~\x00~\x0b~"
    '<a href="#n1">1</a>~<aside epub:type="footnote" id="n1">~</aside>~<nav epub:type="toc">~</nav>~<li>~</ol>~'
    '<span class="pagenum">9</span>~<td epub:type="z3998:persona">Ann</td>~<ruby>a<rt>b</rt></ruby>~<img alt="x"/>~'
    '<svg xmlns="http://www.w3.org/2000/svg"><text>t</text></svg>~<style>~</style>~<script>~</script>~'
    '<item id="q" href="../../../etc/passwd" media-type="application/xhtml+xml"/>~<itemref idref="q"/>~'
    '<itemref idref="d0"/>~ linear="no"~ hidden=""~ id="a"~<w:p><w:r><w:t>~</w:t></w:r></w:p>~<w:del>~</w:del>~'
    "<w:tbl><w:tr><w:tc>~</w:tc></w:tr></w:tbl>~<w:instrText>~</w:instrText>~word~Word. ~\n~\u202e~\U0001f600"
).split("~")


def sound_package(rng: random.Random) -> tuple[str, bytes]:
    """The name and the bytes of a book or a document that is as it should be."""
    if rng.random() < 0.3:
        body = [
            paragraph("One", style="Heading1"),
            paragraph(run("Ann: ", "<w:b/>"), "Hello."),
            paragraph(field("PAGE", "7"), " Text."),
            table(("a", "b"), ("c", "d")),
            paragraph(text_box(paragraph("In a box."))),
        ]
        return "odd.docx", docx(*rng.sample(body, rng.randint(1, len(body))))
    words = "<p>The text goes on.</p>" * rng.randint(1, 4)
    documents = {f"c{n}.xhtml": f'<h2 id="a">Chapter {n}</h2>{words}<p>Ann<a href="#n1">1</a></p>' for n in range(3)}
    documents["notes.xhtml"] = '<h2>Notes</h2><p id="n1">A note.</p>'
    toc = [(f"Chapter {n}", f"c{n}.xhtml#a" if n else "c0.xhtml") for n in range(3)]
    folder = io.BytesIO()
    book = Book(documents, toc if rng.random() < 0.8 else (), version=rng.choice((2, 3)), cover=PIXEL)
    with zipfile.ZipFile(folder, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in book.members().items():
            package.writestr(name, data)
    return "odd.epub", folder.getvalue()


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The same with members changed, or with bytes of the package itself changed."""
    if rng.random() < 0.2:
        broken = bytearray(data)
        for _ in range(rng.randint(1, 20)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        return bytes(broken[: rng.choice((len(broken), rng.randrange(len(broken) + 1)))])
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        members = {name: package.read(name) for name in package.namelist()}
    for _ in range(rng.randint(1, 5)):
        name = rng.choice(list(members))
        members[name] = _mutated_member(rng, members[name], members)
        if rng.random() < 0.1:
            members[rng.choice((rng.choice(list(members)), "../evil.xhtml", "a\\b.xhtml", name.upper()))] = members.pop(
                name
            )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, member in members.items():
            package.writestr(name, member)
    return target.getvalue()


def _mutated_member(rng: random.Random, data: bytes, members: dict[str, bytes]) -> bytes:
    match rng.randrange(6):
        case 0:
            return b""
        case 1:
            return rng.choice(list(members.values()))
        case 2:
            return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "cp1252", "utf-8-sig")), "replace")
        case 3:
            return data[: rng.randrange(len(data) + 1)]
        case _:
            for _ in range(rng.randint(1, 6)):
                at, size = rng.randrange(len(data) + 1), rng.choice((0, 0, 1, 8, 40))
                data = data[:at] + rng.choice(PIECES).encode() + data[at + size :]
            return data


def fault(seed: int, folder: Path) -> str:
    """What goes wrong with a package; "" where nothing does."""
    rng = random.Random(seed)
    name, data = sound_package(rng)
    path = folder / name
    path.write_bytes(mutated(rng, data))
    script = load_script([(path, name)], [Reading("audiobook" if seed % 2 else "podcast")], title="Odd")
    if not script.ledgers:
        return "" if script.problems else "neither a script nor a problem"
    (ledger,) = script.ledgers
    if "".join(ledger.text[entry.start : entry.end] for entry in ledger.entries) != ledger.text:
        return "a gap in the ledger"
    if unread := [entry for entry in ledger.entries if entry.reason == "unread"]:
        return f"unread: {ledger.text[unread[0].start : unread[0].end]!r}"
    try:
        lost = lost_nodes(path, ledger) if name.endswith(".epub") else []
    except RequestError:  # a member that nothing in the book names is broken
        return ""
    return f"lost: {lost[0]}" if lost else ""


def main(count: int) -> int:
    """Read `count` packages and print what goes wrong."""
    faults, slowest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(count):
            started = time.monotonic()
            try:
                what = fault(seed, Path(folder))
            except Exception as error:
                what = repr(error)
            slowest = max(slowest, time.monotonic() - started)
            if what:
                faults += 1
                print(f"{seed}: {what}")  # noqa: T201 - it is a program
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} packages, {faults} faults, slowest {slowest:.2f} s, {peak_mb:.0f} MB")  # noqa: T201
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
