"""Sources as nobody would write them on purpose: pieces of every form, put together and mutated.

`python -m tests.support.odd_sources 10000` reads that many and says what is lost, slow or large.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

from pipeline.source.ledger import Ledger
from pipeline.source.readers import load_script
from pipeline.source.script import Reading, Script

PARTS = (
    "# ~## ~### Ann~\n---\n~***~\n===\n~~~~~```~> ~- ~1. ~1918. ~**Ann:** ~**Ann**: ~_Ann_: ~*Bob:* ~"
    "Bob: ~ANN: ~Ann Lee (00:01): ~(00:00:03):~[00:01]~0:05~@2:06 ~MARY.~[Ann]: ~[Ann] ~Ann \u2014 ~"
    "<Person1>~</Person1>~<v Ann>~</v>~<b>Ann:</b>~<fire ward>~a<b and c>d~<script>x</script>~<br>~"
    "10<sup>6</sup>~<sup>2</sup>~[S1] ~[s2]: ~[pause 1s]~[pause:500]~(beat)~[laughs]~*sighs*~[angry]~"
    "[music: x]~[he]~[3]~[^1]~[^1]: note~    more~^[inline]~[Footnote 1: x]~[Pg 12]~[Illustration: y]~"
    "[x](http://a.b/c)~![p](q.png)~[[Greg|the boss]]~![[img]]~%% hidden %%~<!-- c -->~<!--~{% x %}~"
    "{{ y }}~{#id .c}~::: {.d}~\\newpage~| a | b |\n|---|---|~| Ann | hi |~https://x.org/y~"
    "emo-\ntional~soft\xad\nly~f**k~2*3*4~&amp;~\\*~\\[~\\]~`code`~title: x\n~+++\n~---\n~"
    "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n~*** END OF THE PROJECT GUTENBERG EBOOK X ***\n~"
    "CHAPTER I.\n~CONTENTS\n~Transcriber's Note: x\n~\x07~\x0c~\ufeff~\u2028~\xe9~e\u0301~\u4f60\u597d~"
    "\U0001f600~\xdf~word ~Word. ~Who? ~\n~\n\n~\t"
).split("~")
SCREEN_PARTS = (
    "1\n~2\n~00:01 --> 00:02\n~00:00:03,500 --> 00:00:09,000\n~WEBVTT\n~NOTE x\n~<v Ann>~<c.x>~{\\an8}~\u266a~(SIGHS)"
    "~- ~>> ~ANN\n~@Bo ^\n~(low)\n~!~.A~# ~= x\n~/*~*/~[[~]]~CUT TO:\n~INT. X\n~BANG!\n~\n\n~\n\n~\n\n"
).split("~")


def odd_source(seed: int) -> tuple[str, bytes]:
    """The name and the bytes of a source in any format that is text, now and then in another encoding."""
    rng = random.Random(seed)
    kind = rng.choice(("md", "md", "txt", "yaml", "fountain", "srt", "vtt"))
    parts = (PARTS, SCREEN_PARTS) if kind in ("fountain", "srt", "vtt") else (PARTS,)
    text = "".join(rng.choice(rng.choice(parts)) for _ in range(rng.randint(1, 60)))
    for _ in range(rng.randint(0, 4)):
        at, size = rng.randrange(len(text) + 1), rng.randint(0, 6)
        text = text[:at] + rng.choice(("", rng.choice(PARTS), chr(rng.randrange(1, 0x2FFF)))) + text[at + size :]
    if kind == "yaml":
        style = rng.randrange(3)
        lines = text.replace("\x07", "").replace("\x0c", "").split("\n")
        quoted = "\n".join("    " + line.strip() for line in lines)
        words = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
        body = (
            f"- Ann: |\n{quoted}\n",
            f'- speaker: Bob\n  text: "{words}"\n',
            f"- text: '{words}'\n".replace("''", "'"),
        )
        text = "# a comment\n" + body[style]
    encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "cp1252"))
    return f"odd.{kind}", text.encode(encoding, "replace")


def letters(text: str) -> str:
    """Letters and digits alone, decomposed: what a reader may neither lose nor invent."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if char.isalnum())


def lost_words(script: Script, source: str) -> str:
    """What is wrong with the account of a source: characters without an entry, or turns that say something else."""
    (ledger,) = script.ledgers
    turns = [turn for chapter in script.chapters for turn in chapter.turns]
    spoken = ["" for _turn in turns]
    at = 0
    for entry in ledger.entries:
        if entry.start != at:
            return f"a gap at {at}"
        if entry.reason == "unread":
            return f"unread: {ledger.text[entry.start : entry.end]!r}"
        at = entry.end
        if entry.turn is not None:
            text = ledger.text[entry.start : entry.end]
            spoken[entry.turn] += text if entry.words is None else entry.words
    if at != len(ledger.text) or letters(ledger.text) != letters(source):
        return "the ledger is of another text"
    for turn, said in zip(turns, spoken, strict=True):
        if letters(turn.text) != letters(said):
            return f"{turn.where} says {turn.text!r}, and the ledger {said!r}"
    return ""


def decoded(ledger: Ledger, data: bytes) -> str:
    """The text of a source without the reader: the bytes, decoded."""
    for encoding in ("utf-8-sig", "utf-16"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "utf-16" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return text.replace("\r\n", "\n").replace("\r", "\n")
    if b"\0" in data:
        return ledger.text
    text = "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in data)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fault(seed: int, folder: Path) -> str:
    """What goes wrong with a source; "" where nothing does."""
    name, data = odd_source(seed)
    path = folder / name
    path.write_bytes(data)
    script = load_script([(path, name)], [Reading("audiobook" if seed % 2 else "podcast", cast=("Ann",))], title="Odd")
    if not script.ledgers:
        return "" if script.problems else "neither a script nor a problem"
    return lost_words(script, decoded(script.ledgers[0], data))


def main(count: int) -> int:
    """Read `count` sources and print what goes wrong."""
    faults, slowest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(count):
            started = time.monotonic()
            what = fault(seed, Path(folder))
            slowest = max(slowest, time.monotonic() - started)
            if what:
                faults += 1
                print(f"{seed}: {what}")  # noqa: T201 - it is a program
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} sources, {faults} faults, slowest {slowest:.2f} s, {peak_mb:.0f} MB")  # noqa: T201
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
