"""Package: the zip file of XML parts that an EPUB, a DOCX or an ODT is.

In: an open file. Out: its members as bytes, and its XML as lxml trees. Nothing is ever written to disk, nothing outside
of the package is read, no entity is expanded, and what unpacks to more than it may is refused before it is unpacked.
Knows no format.
"""

from __future__ import annotations

import io
import posixpath
import re
import struct
import unicodedata
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import unquote

from lxml import etree

from pipeline.errors import Problem, RequestError, reason
from pipeline.files import open_regular
from pipeline.source.readers.markup import parse_markup
from pipeline.words import counted

MAX_MEMBERS = 20_000
MAX_DIRECTORY_BYTES = 8_000_000  # 400 for each member
MAX_UNPACKED_BYTES = 300_000_000  # of all that is read
MAX_MEMBER_BYTES = 200_000_000
MAX_RATIO = 200  # unpacked to packed bytes, for members of more than FREE_BYTES
FREE_BYTES = 10_000_000
MAX_TAGS = 2_000_000  # of all that is parsed, as a tag of three bytes takes hundreds in memory
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x06"  # end of central directory: PKWARE APPNOTE 4.3.16 and 4.3.14
_QUOTED = re.compile(r"\(\".*\"\)|\d+")  # what differs from one warning to the next
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")
_DAMAGED = "Download or copy it again, or save it anew in the program that wrote it."


class Package:
    """A zip package, open for reading: `with Package.open(path, "book.epub", "EPUB") as package`.

    Raises `RequestError` for what is no such package, is protected, damaged or a zip bomb. Members go by their names
    within the package, `/` between folders.
    """

    def __init__(self, file: BinaryIO, shown: str, kind: str) -> None:
        self._warnings: list[Problem] = []
        self._file = file
        self._shown = shown
        self._kind = kind
        self._unpacked = 0
        self._tags = 0
        self._check_kind()
        try:
            self._zip = zipfile.ZipFile(file)
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise self._damaged(reason(error)) from None
        if len(infos) > MAX_MEMBERS:
            raise self._refusal(f"it has {len(infos)} members, more than any {kind} has.", "Use another file.")
        self._members = self._by_name(infos)
        self._by_key = {_key(name): name for name in reversed(self._members)}

    @classmethod
    def open(cls, path: Path, shown: str, kind: str) -> Package:
        """The package in a regular file; `kind` is what the messages call it, "EPUB" or "DOCX"."""
        try:
            file = open_regular(path)
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            what = f"the file cannot be read ({getattr(error, 'strerror', None) or error})."
            raise RequestError(Problem(shown, what, "Check the path.")) from None
        try:
            return cls(file, shown, kind)
        except BaseException:
            file.close()
            raise

    @classmethod
    def of_bytes(cls, data: bytes, shown: str, kind: str) -> Package:
        """The package in `data`."""
        return cls(io.BytesIO(data), shown, kind)

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The members in the order of the package, folders left out."""
        return tuple(self._members)

    def find(self, name: str) -> str | None:
        """The member of that name; else the one whose name differs in case or in how accents are composed only."""
        return name if name in self._members else self._by_key.get(_key(name))

    def read(self, name: str) -> bytes:
        """What a member holds. Raises `RequestError`, also where there is none of that name, as `find` has it."""
        member = self.find(name)
        if member is None:
            what = f"there is no {name} in it, which every {self._kind} file has."
            raise self._refusal(what, "Export or convert it again.")
        info = self._members[member]
        self._check_size(member, info)
        parts: list[bytes] = []
        try:
            with self._zip.open(info) as file:
                while part := file.read(1 << 20):
                    parts.append(part)
        except NotImplementedError:
            what = f"{member} is packed in a way that is not known here."
            raise self._refusal(what, "Unpack it and pack it again as a plain zip file.") from None
        except RuntimeError:  # what zipfile raises for a member that is encrypted
            raise self._protected() from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error) as error:
            raise self._damaged(f"{member}: {reason(error)}") from None
        self._unpacked += sum(map(len, parts))
        return b"".join(parts)

    def parse(self, name: str, *, mend: bool = True) -> etree._Element:
        """The root of a member's XML.

        HTML's named entities are their characters. What is not well-formed is read by HTML's rules (its elements then
        have no namespaces and lower-case names), which `warnings` tells of; with `mend=False` it is refused.
        """
        data = self.read(name)
        self._tags += data.count(b"<")
        if self._tags > MAX_TAGS:
            what = f"its documents have more than {MAX_TAGS:,} tags, which no {self._kind} needs."
            raise self._refusal(what, "Split it into several files.")
        root, warnings = parse_markup(data, f"{self._shown}:{self.find(name)}", mend=mend)
        self._warnings += warnings
        return root

    @property
    def warnings(self) -> list[Problem]:
        """What was mended, and encodings that are guesses: those of one kind are told once, at the first of them."""
        alike: dict[str, list[Problem]] = {}
        for warning in dict.fromkeys(self._warnings):
            alike.setdefault(_QUOTED.sub("", warning.what), []).append(warning)
        return [_with_others(first, len(others)) for first, *others in alike.values()]

    def _check_kind(self) -> None:
        """Tell what is no zip file at all, and a central directory that would not fit into memory."""
        self._file.seek(0)
        start = self._file.read(8)
        if start.startswith(_OLE):
            what = "this is a file with a password, or of an Office program from before 2007."
            raise self._refusal(what, f"Open it in its program and save it without a password as {self._kind}.")
        if not start:
            raise self._refusal("the file is empty.", "Name another one.")
        if not start.startswith(b"PK"):
            raise self._refusal(f"this is no {self._kind} file.", f"Export or save it as {self._kind}.")
        size = self._file.seek(0, io.SEEK_END)
        self._file.seek(max(size - 66_000, 0))
        tail = self._file.read()
        at, at_64 = tail.rfind(_END), tail.rfind(_END_64)
        if at < 0 or len(tail) < at + 22:
            raise self._damaged("its end is missing")
        (directory,) = struct.unpack_from("<I", tail, at + 12)
        if directory == 0xFFFFFFFF and 0 <= at_64 <= len(tail) - 56:
            (directory,) = struct.unpack_from("<Q", tail, at_64 + 40)
        if directory > MAX_DIRECTORY_BYTES:
            raise self._refusal(f"it has more members than any {self._kind} has.", "Use another file.")

    def _by_name(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = _written_name(info)
            if name.endswith("/"):
                continue
            if info.flag_bits & 1:
                raise self._protected()
            inside = resolve("", name.replace("%", "%25"))
            if not inside:
                what = f'the member "{name}" would lie outside of the package.'
                raise self._refusal(what, "Do not use this file: programs that unpack it may be harmed.")
            twin = members.get(inside)
            if twin is not None and (twin.CRC, twin.file_size) != (info.CRC, info.file_size):
                what = f'two members that differ are both named "{inside}", and which one counts is unclear.'
                raise self._refusal(what, "Export or save it again.")
            members[inside] = info
        return members

    def _check_size(self, name: str, info: zipfile.ZipInfo) -> None:
        is_bomb = info.file_size > max(FREE_BYTES, MAX_RATIO * info.compress_size)
        if is_bomb or info.file_size > MAX_MEMBER_BYTES or self._unpacked + info.file_size > MAX_UNPACKED_BYTES:
            ratio = info.file_size // max(info.compress_size, 1)
            what = f"{name} would unpack to {info.file_size / 1e6:,.0f} MB, {ratio:,} times its size: a zip bomb."
            raise self._refusal(what, "Use another file.")

    def _refusal(self, what: str, fix: str) -> RequestError:
        return RequestError(Problem(self._shown, what, fix))

    def _damaged(self, why: str) -> RequestError:
        return self._refusal(f"the {self._kind} file is damaged or incomplete ({why}).", _DAMAGED)

    def _protected(self) -> RequestError:
        return self._refusal("the file is protected by a password.", "Save it without one.")


def _with_others(warning: Problem, others: int) -> Problem:
    if not others:
        return warning
    what = f"{warning.what.rstrip('.')} (and {counted(others, 'document')} more)."
    return Problem(warning.where, what, warning.next)


def resolve(base: str, href: str) -> str | None:
    """The name of the member that an `href` without a fragment means, which stands in the member `base`.

    None where it leads out of the package: an address, or too many `..`. An empty one is `base` itself.
    """
    if not href:
        return base
    if _SCHEME.match(href):
        return None
    path = unquote(href).replace("\\", "/")
    if _SCHEME.match(path) or "\0" in path:
        return None
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(posixpath.dirname(base), path)
    name = posixpath.normpath(joined)
    return None if name == ".." or name.startswith("../") or name == "." else name


def _written_name(info: zipfile.ZipInfo) -> str:
    """A member's name, in UTF-8 also where the flag for that is missing, which zipfile then takes for code page 437."""
    name = info.orig_filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
