"""Web: addresses, handles, hashtags, paths and names of programs, as people read them aloud.

In: display text. Out: rules for `ann@example.com` (ann at example dot com), `https://example.org/a-b` (example dot org
slash a dash b), `@nasa`, `#MeToo`, `/usr/bin`, `Node.js`, `C++`. English.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.scripts import plain
from pipeline.source.spoken.text import TAG_SOURCE
from pipeline.source.spoken.words.initialisms import said_initialism
from pipeline.source.spoken.words.numerals import digit_words

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_HOST = rf"(?:{_LABEL}\.)+[^\W\d_]{{2,24}}"
# Ends of names that are seldom words: "so.it" may be two sentences.
_TOP = (
    ""
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|tv|fm|ly|gg|app|dev|xyz|blog|shop|online|site|tech|news|eu|uk|de|fr|es|nl|ch|pl|se|dk|fi|cz|ru|ua|cn|jp|kr|br|mx|ca|au|nz|ie|pt|gr|tr|za|il"
)
_FILE = (
    "js|ts|py|rs|rb|go|sh|txt|md|pdf|docx?|xlsx?|pptx?|csv|json|ya?ml|toml|xml|html?|css|exe|zip|tar|gz|png|jpe?g|gif"
    "|svg|mp3|mp4|wav|epub|log|ini|cfg|php|java|cpp|db|sql"
)
_AFTER = r"(?![^\W_])"
_BEFORE = r"(?<![\w@./\\-])"
_MAIL = rf"(?:mailto:)?(?<![\w.+-])([\w.+-]{{1,64}})@({_HOST}){_AFTER}"
# An address ends before what begins a clause or a tag: a dash, dots, a comma before a letter, a quote, a bracket that
# it does not close itself.
_IN_ADDRESS = r"(?:[^\s<>()\[\]{}\"'“”„‘’‚«»‹›「」『』—–―…。、，；,;.]|[,;](?!\s|[^\W\d_]|[\"'“”‘’])|\.(?!\.\.))"
_BRACKETS = "|".join(rf"\{opened}{_IN_ADDRESS}*+\{closed}" for opened, closed in ("()", "[]", "{}"))
_ADDRESS = rf"(?:{_IN_ADDRESS}++|(?!{TAG_SOURCE})(?:{_BRACKETS}))"
_URL = rf"(?<![^\W_])(?:(?:https?|ftp)://|www\.(?=[^\W_]))({_ADDRESS}+)"
_DOMAIN = rf"{_BEFORE}(?:{_LABEL}\.)+(?:{_TOP})(?![\w@]|\.[^\W_])(?:/[\w./~%-]*(?:\?{_ADDRESS}*)?)?"
_FILE_NAME = rf"{_BEFORE}\w[\w-]*(?:\.[\w-]+)*\.(?:{_FILE})(?![\w/\\])(?!\.\w)"
_HANDLE = r"(?<![\w@./])@([A-Za-z_](?:[\w.-]*[A-Za-z0-9_])?)"
_HASHTAG = r"(?<![\w&#/])#([^\W\d]\w*)"
_PATH = (
    r"(?<![\w./\\~])(?:~|\.{1,2})?(?:/[\w.-]*[\w]){2,}/?(?!\w)|(?<![\w./\\])(?:~|\.{1,2})/[\w./-]*[\w/]"
    r"|(?<=[a-z] )/[a-z][\w-]+(?![\w/])"
    r"|(?<![\w./\\])[A-Za-z]:\\[\w.\\-]*"
)
_PROGRAM = r"(?<![\w.])(?:([A-Z])(\+\+|#)|\.NET\b)"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIGNS = {
    ".": "dot", "-": "dash", "_": "underscore", "+": "plus", "/": "slash", "\\": "backslash", "~": "tilde",
    ":": "colon", "%": "percent", "@": "at", "&": "and", "=": "equals", "#": "hash",
}  # fmt: skip
_TYPED = re.compile(r"[\w.-]{1,20}(?:/[\w.-]{1,20})?")
_TOKEN = re.compile(r"[^\W_]+|[\W_]")


def web() -> tuple[Family, ...]:
    """The families of English for what is written for machines."""
    return (
        Family(
            re.compile(r"@\w|://|\.(?<=www\.)", re.IGNORECASE),
            (Rule(_MAIL, _mail, re.IGNORECASE), Rule(_URL, _url, re.IGNORECASE)),
        ),
        Family(
            re.compile(r"\.[^\W_]"),
            (Rule(_DOMAIN, _domain, re.IGNORECASE), Rule(_FILE_NAME, lambda match: _read(match[0]))),
        ),
        Family(re.compile(r"@\w"), (Rule(_HANDLE, lambda match: f"at {_words(match[1])}"),)),
        Family(re.compile(r"#|\+\+|\.NET"), (Rule(_PROGRAM, _program), Rule(_HASHTAG, _hashtag))),
        Family(re.compile(r"[/\\]"), (Rule(_PATH, _path),)),
    )


def _mail(match: re.Match[str]) -> str | None:
    return f"{_read(match[1])} at {_read(match[2])}"


def _url(match: re.Match[str]) -> str | None:
    address = match[1]
    trimmed = address.rstrip(".,;:!?*_")
    read = _address(trimmed)
    return read + address[len(trimmed) :].strip("*_") if read else None


def _domain(match: re.Match[str]) -> str | None:
    trimmed = match[0].rstrip(".")
    return _address(trimmed) + match[0][len(trimmed) :]


def _address(address: str) -> str:
    """The host, and a path that a person would type; the rest is for machines."""
    host, slash, path = re.split(r"[?#]", address, maxsplit=1)[0].partition("/")
    host = re.sub(r"^www\.", "", host.rpartition("@")[2], flags=re.IGNORECASE)
    host = re.sub(r":\d+$", "", host)
    path = path.strip("/")
    return f"{_read(host)} {_read(slash + path)}" if _TYPED.fullmatch(path) else _read(host)


def _hashtag(match: re.Match[str]) -> str | None:
    return f"hashtag {_words(match[1])}"


def _path(match: re.Match[str]) -> str | None:
    return _read(match[0].rstrip(".")) + "." * match[0].endswith(".")


def _program(match: re.Match[str]) -> str | None:
    if not match[1]:
        return "dot net"
    letter = '"A"' if match[1] == "A" else match[1]
    return f"{letter} plus plus" if match[2] == "++" else f"{letter} sharp"


def _words(name: str) -> str:
    """The words of an identifier: "MeToo", "john_doe99"."""
    return " ".join(_word(part) for word in re.split(r"[\W_]+", name) for part in _CAMEL.split(word) if part).strip()


def _read(text: str) -> str:
    """What is typed, with its signs."""
    return " ".join(
        _words(token) if token.isalnum() else _SIGNS.get(token, "") for token in _TOKEN.findall(text)
    ).strip()


def _word(part: str) -> str:
    """Letters without a vowel and those of two or three in capitals are spelt, and digits are said one by one."""
    pieces = re.findall(r"\d+|\D+", part)
    return " ".join(digit_words(piece) if piece.isascii() and piece.isdigit() else _letters(piece) for piece in pieces)


def _letters(piece: str) -> str:
    if not piece.isascii():
        return digit_words(plain(piece, "en", False))
    if piece.isupper():
        return said_initialism(piece) if len(piece) > 1 else piece
    spelt = piece.islower() and (piece in _SPELT or (1 < len(piece) <= 4 and not re.search(r"[aeiouy]", piece)))
    return piece.upper() if spelt else piece


_SPELT = frozenset("uk us eu de fr es nl ch io ai tv fm ua ru ca au py js ie api url id faq jpeg csv usa bbc".split())
