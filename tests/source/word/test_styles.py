"""What styles mean by their names, and by their ids where the document defines none."""

from __future__ import annotations

import pytest

from pipeline.source.word.styles import Style, Styles


@pytest.mark.parametrize(
    ("identifier", "name"),
    [("Title", "title"), ("Subtitle", "subtitle"), ("ListParagraph", "list paragraph"), ("Heading3", "heading 3")],
)
def test_a_style_that_is_not_defined_is_the_built_in_one_of_its_id(identifier: str, name: str) -> None:
    assert Styles().is_named(identifier, name)
    assert Styles().heading_level(identifier) == (3 if name == "heading 3" else 0)
    assert not Styles({identifier: Style("my own", None, {})}).is_named(identifier, name)


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("FootnoteReference", "footnote"),
        ("TOC1", "contents"),
        ("TOCHeading", "contents"),
        ("PageNumber", "page number"),
    ],
)
def test_it_is_left_out_as_the_built_in_one(identifier: str, reason: str) -> None:
    assert Styles().left_out(identifier) == reason
