"""What comes of a DOCX, for tests: its tree as short HTML, and runs with tracked changes."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from pipeline.source.readers.docx import docx_tree
from pipeline.source.word.inline import LEFT_OUT, PLACE
from tests.support.office_files import docx, run


def deleted(text: str) -> str:
    """A run that is deleted."""
    return f'<w:del w:id="1" w:author="Bo"><w:r><w:delText xml:space="preserve">{text}</w:delText></w:r></w:del>'


def inserted(text: str) -> str:
    """A run that is inserted."""
    return f'<w:ins w:id="2" w:author="Bo">{run(text)}</w:ins>'


def hidden(text: str) -> str:
    """A run of hidden text."""
    return run(text, "<w:vanish/>")


def tree_of(*body: str, **more: Mapping[str, str]) -> etree._Element:
    """The tree of a document with that body."""
    return docx_tree(docx(*body, **more), "b.docx")[0]


def marked(element: etree._Element) -> str:
    """An element as HTML without places, and what is left out as `[reason: text]`."""
    if reason := element.get(LEFT_OUT):
        content = f"[{reason}: {''.join(map(str, element.itertext()))}]"
    else:
        content = (element.text or "") + "".join(marked(child) + (child.tail or "") for child in element)
    if reason and element.tag == "span":
        return content
    names = [name for name in map(str, element.attrib) if name not in (PLACE, LEFT_OUT)]
    attributes = "".join(f' {name}="{element.get(name)}"' for name in names)
    return f"<{element.tag}{attributes}>{content}</{element.tag}>" if content else f"<{element.tag}{attributes}/>"


def body_of(*body: str, **more: Mapping[str, str]) -> str:
    """What comes of the paragraphs."""
    element = tree_of(*body, **more).find("body")
    assert element is not None
    return "".join(map(marked, element))
