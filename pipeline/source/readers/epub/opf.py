"""The package document of an EPUB: what the book is called, its documents and their order.

In: a package. Out: an `Opf`. Both versions, as EPUB 2.0.1 (OPF 2.0.1) and EPUB 3.3 write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from pipeline.errors import Problem, RequestError
from pipeline.source.hypertext.elements import EPUB_TYPE, tag_of, text_of
from pipeline.source.readers.markup import parse_html
from pipeline.source.readers.package import Package, resolve
from pipeline.source.script import Metadata

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # scrambled fonts: no protection
TEXTS = frozenset(
    """
    application/xhtml+xml text/html application/x-dtbook+xml application/xml text/x-oeb1-document image/svg+xml
    """.split()
)
"""The media types of documents."""

_OPF_ROLE = "{http://www.idpf.org/2007/opf}role"
_EXPORT = "Export or convert the book again, for example with Calibre."


@dataclass(frozen=True)
class Item:
    """A file of the book; `name` is that of the member in the package, `properties` those of the manifest."""

    name: str
    media_type: str
    properties: frozenset[str]
    fallback: str


@dataclass(frozen=True)
class Opf:
    """The documents in reading order (each with whether it belongs to it), and what helps to read them."""

    name: str
    root: etree._Element
    metadata: Metadata
    items: Mapping[str, Item]  # by id
    spine: tuple[tuple[Item, bool], ...]
    ncx: str | None
    landmarks: Mapping[str, str]  # what a document is, by its name, from EPUB 2's guide
    cover: str | None  # the name of a picture
    warnings: tuple[Problem, ...]


def read_opf(package: Package, shown: str) -> Opf:
    """Raises `RequestError` for a book without a spine, and for one that is protected."""
    name = _find_opf(package, shown)
    root = package.parse(name)
    items = dict(_items(root, name, package))
    warnings: list[Problem] = []
    spine = tuple(_spine(root, items, package, shown, warnings))
    _refuse_protected(package, shown, [item.name for item, _is_linear in spine])
    spines = list(root.iter("{*}spine"))
    ncx_id = spines[0].get("toc") if spines else None
    ncx = items[ncx_id].name if ncx_id in items else None
    ncx = ncx or next((item.name for item in items.values() if item.media_type == "application/x-dtbncx+xml"), None)
    return Opf(
        name=name,
        root=root,
        metadata=_metadata(root),
        items=items,
        spine=spine,
        ncx=ncx if ncx is not None and package.find(ncx) else None,
        landmarks=dict(_guide(root, name, package)),
        cover=_cover(root, items, package, shown, warnings),
        warnings=tuple(warnings),
    )


def _find_opf(package: Package, shown: str) -> str:
    if package.find(_CONTAINER):
        for rootfile in package.parse(_CONTAINER).iter("{*}rootfile"):
            name = resolve("", rootfile.get("full-path") or "")
            if name and package.find(name):
                return name
    named = [name for name in package.names if name.lower().endswith(".opf")]
    if len(named) == 1:
        return named[0]
    what = "it has no package document (.opf), so this is no EPUB or an incomplete one."
    raise RequestError(Problem(shown, what, _EXPORT))


def _items(root: etree._Element, opf: str, package: Package) -> Iterator[tuple[str, Item]]:
    for element in root.iter("{*}item"):
        name = resolve(opf, element.get("href") or "")
        if name and name != opf:
            kind = (element.get("media-type") or "").strip().lower()
            properties = frozenset((element.get("properties") or "").split())
            yield (
                element.get("id") or "",
                Item(package.find(name) or name, kind, properties, element.get("fallback") or ""),
            )


def _spine(
    root: etree._Element, items: Mapping[str, Item], package: Package, shown: str, warnings: list[Problem]
) -> Iterator[tuple[Item, bool]]:
    seen: set[str] = set()
    references = list(root.iter("{*}itemref"))
    hrefs = {element.get("id"): element.get("href") or "" for element in root.iter("{*}item")}
    problems: list[Problem] = []
    for reference in references:
        identifier = reference.get("idref") or ""
        item = _as_text(items.get(identifier), items)
        if item is None:
            href = hrefs.get(identifier, "")
            where = "is no text in it" if identifier in items or not href else "would lie outside of the book"
            what = f'the order of the book names "{(href or identifier)[:60]}", which {where}.'
            warnings.append(Problem(shown, what, "Look whether a chapter is missing."))
        elif item.name in seen:
            twice = Problem(shown, f"the order of the book names {item.name} twice.", "It is read once.")
            warnings += [twice] if twice not in warnings else []
        elif package.find(item.name) is None:
            problems.append(Problem(shown, f"{item.name} is missing, which the order of the book names.", _EXPORT))
        else:
            seen.add(item.name)
            yield item, (reference.get("linear") or "").strip().lower() != "no"
    if problems:
        raise RequestError(*problems)
    if not seen:
        raise RequestError(Problem(shown, "the order of its documents (spine) is empty or broken.", _EXPORT))


def _as_text(item: Item | None, items: Mapping[str, Item]) -> Item | None:
    """A document, or that which stands for what is none."""
    seen: set[str] = set()
    while item is not None and not _is_text(item):
        if item.fallback in seen or not item.fallback:
            return None
        seen.add(item.fallback)
        item = items.get(item.fallback)
    return item


def _is_text(item: Item) -> bool:
    return item.media_type in TEXTS or item.name.lower().endswith((".xhtml", ".html", ".htm"))


def _refuse_protected(package: Package, shown: str, documents: list[str]) -> None:
    if not package.find(_ENCRYPTION):
        return
    for element in package.parse(_ENCRYPTION).iter("{*}EncryptedData"):
        method = next((one.get("Algorithm") for one in element.iter("{*}EncryptionMethod")), "")
        named = [resolve("", one.get("URI") or "") for one in element.iter("{*}CipherReference")]
        names = {package.find(name) for name in named if name} - {None}
        if method not in _FONTS and not names.isdisjoint(map(package.find, documents)):
            what = "the book is protected by DRM: its text is encrypted."
            raise RequestError(Problem(shown, what, "Get it from its shop or publisher without DRM."))


def _metadata(root: etree._Element) -> Metadata:
    about = next(root.iter("{*}metadata"), None)
    if about is None:
        return Metadata()
    refined = {
        (meta.get("refines") or "").lstrip("#"): text_of(meta).strip()
        for meta in about.iter("{*}meta")
        if meta.get("property") in ("role", "title-type")
    }
    values: dict[str, list[tuple[str, str]]] = {}
    for element in about.iter("{*}*"):
        words = " ".join(text_of(element).split())
        if words:
            role = refined.get(element.get("id") or "") or element.get(_OPF_ROLE) or element.get("role") or ""
            values.setdefault(tag_of(element), []).append((role, words))
    titles = values.get("title", [])
    main = [words for kind, words in titles if kind == "main"] or [words for _kind, words in titles]
    creators = values.get("creator", [])
    authors = [words for role, words in creators if role == "aut"] or [words for role, words in creators if not role]
    description = next((words for _role, words in values.get("description", [])), "")
    return Metadata(
        title=main[0] if main else "",
        author=", ".join(dict.fromkeys(authors)),
        language=next((words for _role, words in values.get("language", [])), ""),
        description=_without_markup(description),
    )


def _without_markup(description: str) -> str:
    """A description that holds HTML, as many do, as its words."""
    if not re.search(r"<\w+[^<>]*>", description):
        return description
    return " ".join(" ".join(map(str, parse_html(description.encode(), "description")[0].itertext())).split())


def _guide(root: etree._Element, opf: str, package: Package) -> Iterator[tuple[str, str]]:
    for reference in root.iter("{*}reference"):
        href = reference.get("href") or ""
        name = resolve(opf, href)
        if name and reference.get("type") and "#" not in href:  # else it is a part of the document
            yield package.find(name) or name, (reference.get("type") or "").lower()


def _cover(
    root: etree._Element, items: Mapping[str, Item], package: Package, shown: str, warnings: list[Problem]
) -> str | None:
    covers = [item for item in items.values() if "cover-image" in item.properties]
    for meta in root.iter("{*}meta"):
        if meta.get("name") == "cover" and (item := items.get(meta.get("content") or "")):
            covers.append(item)
    covers += [item for item in items.values() if re.search(r"\bcover[^/]*\.(?:jpe?g|png)$", item.name.lower())]
    pictures = [item.name for item in covers if item.media_type.startswith("image/") and package.find(item.name)]
    if not pictures:
        warnings += _missing_covers(root, items, package, shown)
    return pictures[0] if pictures else None


def _missing_covers(root: etree._Element, items: Mapping[str, Item], package: Package, shown: str) -> Iterator[Problem]:
    """What the book names as its cover, and does not hold."""
    ids = {meta.get("content") for meta in root.iter("{*}meta") if meta.get("name") == "cover"}
    fix = "Name a picture with cover: in the manifest."
    for element in root.iter("{*}item"):
        if element.get("id") in ids or "cover-image" in (element.get("properties") or ""):
            item = items.get(element.get("id") or "")
            href = (element.get("href") or "")[:60]
            if item is None:
                yield Problem(shown, f'its cover, "{href}", would lie outside of the book.', fix)
            elif package.find(item.name) is None:
                yield Problem(shown, f"its cover, {item.name}, is missing.", fix)


def landmarks_of(nav: etree._Element, name: str, package: Package) -> Iterator[tuple[str, str]]:
    """What a document is, by its name, as the landmarks of EPUB 3 tell."""
    for one in nav.iter("{*}nav"):
        if "landmarks" in (one.get(EPUB_TYPE) or ""):
            for link in one.iter("{*}a"):
                href = link.get("href") or ""
                target = resolve(name, href)
                if target and link.get(EPUB_TYPE) and "#" not in href:
                    yield package.find(target) or target, (link.get(EPUB_TYPE) or "").lower()
