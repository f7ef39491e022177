"""Inline: the text of one paragraph as it is put into an HTML element, piece by piece.

In: pieces of text, each with the elements that it wants around it. Out: as few elements as say the same: Word cuts a
word in bold into several runs, and that is one `<b>`.
"""

from __future__ import annotations

from lxml import etree

from pipeline.source.ledger import Reason

LEFT_OUT = "{urn:podcast}left-out"
PLACE = "{urn:podcast}place"

Wrap = tuple[str, str]  # an element around a piece: its tag, and its address or what tells it from the one before


class Inline:
    """Writes into `block`."""

    def __init__(self, block: etree._Element) -> None:
        self.block = block
        self.has_words = False  # that are read
        self.is_empty = True
        self._open: list[tuple[Wrap, etree._Element]] = []
        self._buffer: list[str] = []
        self._blank = ""  # white space whose element the next piece decides

    def add(self, text: str, wraps: tuple[Wrap, ...]) -> None:
        """Text that is read, in those elements, the outermost first."""
        if not text.strip():
            self._blank += text
            return
        self.has_words, self.is_empty = True, False
        if self._blank:
            self._set(self._shared(wraps))
            self._buffer.append(self._blank)
            self._blank = ""
        self._set(wraps)
        self._buffer.append(text)

    def leave_out(self, text: str, reason: Reason) -> None:
        """Text that is not read: it stays in the elements around it, so that it ends none of them."""
        if not text:
            return
        self.is_empty = False
        around = self._around()
        if self._blank:
            self._set(around)
            self._write_blank()
        self._set((*around, ("span", reason)))
        self._buffer.append(text)

    def add_break(self) -> None:
        """The end of a line."""
        self._set(self._around())
        self._write_blank()
        self._flush()
        etree.SubElement(self._innermost(), "br")

    def close(self) -> None:
        """Write what is left."""
        self._set(())
        self._write_blank()
        self._flush()

    def move_to(self, block: etree._Element) -> None:
        """Go on in another element, which takes all that the block holds."""
        self._flush()
        block.text = self.block.text
        block.extend(list(self.block))
        self.block = block

    def _around(self) -> tuple[Wrap, ...]:
        """What is open, without what leaves text out."""
        return tuple(wrap for wrap, _element in self._open if wrap[0] != "span")

    def _write_blank(self) -> None:
        if self._blank:
            self._buffer.append(self._blank)
            self._blank = ""

    def _shared(self, wraps: tuple[Wrap, ...]) -> tuple[Wrap, ...]:
        shared = 0
        for (wrap, _element), wanted in zip(self._open, wraps, strict=False):
            if wrap != wanted:
                break
            shared += 1
        return wraps[:shared]

    def _set(self, wraps: tuple[Wrap, ...]) -> None:
        """Close what is open and not wanted, and open what is wanted."""
        shared = len(self._shared(wraps))
        if shared == len(self._open) == len(wraps):
            return
        self._flush()
        del self._open[shared:]
        for tag, value in wraps[shared:]:
            element = etree.SubElement(self._innermost(), tag)
            if tag == "span":
                element.set(LEFT_OUT, value)
            elif tag == "a":
                element.set("href", value)
            self._open.append(((tag, value), element))

    def _innermost(self) -> etree._Element:
        return self._open[-1][1] if self._open else self.block

    def _flush(self) -> None:
        text = "".join(self._buffer)
        self._buffer.clear()
        if not text:
            return
        element = self._innermost()
        last = last_child(element)
        if last is not None:
            last.tail = (last.tail or "") + text
        else:
            element.text = (element.text or "") + text


def last_child(element: etree._Element) -> etree._Element | None:
    """The last element in another, without counting them all as `len` does."""
    return next(element.iterchildren(reversed=True), None)
