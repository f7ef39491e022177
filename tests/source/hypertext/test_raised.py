"""Raised numbers: fractions, powers, and marks of notes that no link leads from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.books import read_html, spoken_lines

MARKS = "<p>The boat<sup>2</sup> came to the house<sup>3</sup> in 1914<sup>5</sup>, he said.<sup>6</sup> "
MARKS += "He was 21<sup>4</sup>. “Yes,”<sup>7</sup> said the man<sup>8</sup>.</p>"
NOTES = "<h2>Notes</h2>"


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        ("<p>It is 3<sup>1</sup>/<sub>2</sub> miles.</p>", ["It is 3 1/2 miles."]),
        ("<p>2<sup>3</sup>⁄<sub>4</sub> cups, 2 <sup>3</sup>/4 cups.</p>", ["2 3⁄4 cups, 2 3/4 cups."]),
        ("<p><b>3</b><i><sup>1</sup>/<small>2</small></i> miles.</p>", ["3 1/2 miles."]),
        ("<p>The house<sup>3</sup>/garden.</p>", ["The house/garden."]),
        ("<p>Look at it<sup>2</sup> and that<sup>3</sup>.</p>", ["Look at it and that."]),
        ("<p>5 km<sup>2</sup>, 3 square metres<sup>2</sup>, 2 in<sup>2</sup>.</p>", ["5 km², 3 square metres, 2 in²."]),
        ("<p>(the old house)<sup>2</sup>, (a+b)<sup>2</sup>, sin<sup>2</sup>.</p>", ["(the old house), (a+b)², sin²."]),
        ("<p>2ab<sup>2</sup>, xy<sup>3</sup>.</p>", ["2ab², xy³."]),
        ("<p>e<sup>x+1</sup>, e<sup>−2x</sup>, 2<sup>n-1</sup>.</p>", ["e^(x+1), e^(−2x), 2^(n-1)."]),
        (MARKS, ["The boat came to the house in 1914, he said. He was 21. “Yes,” said the man."]),
        ("<p>So.<sup>1</sup> 3<sup>2</sup>, 10<sup>2</sup>, x<sup>2</sup>.</p>", ["So. 3, 10², x²."]),
        ("<p>So<sup>1</sup> it<sup>2</sup> is.<sup>3</sup> 3<sup>2</sup> is 9.</p>", ["So it is. 3² is 9."]),
        ("<p>In 1914<sup>2</sup> it was.</p>", ["In 1914² it was."]),
        ("<p>In 1914<sup>2</sup>.</p><p><sup>1</sup> One.</p><p><sup>2</sup> Two.</p>", ["In 1914.", "One.", "Two."]),
        (f"<p>In 1914<sup>2</sup>.</p>{NOTES}<ol><li>A.</li><li>B.</li></ol>", ["In 1914.", "1. A.", "2. B."]),
        (f"<p>In 1914<sup>2</sup>.</p>{NOTES}<p>[1] A.</p><p>[2] B.</p>", ["In 1914.", "A.", "B."]),
    ],
)
def test_what_is_raised(page: str, lines: list[str], tmp_path: Path) -> None:
    assert spoken_lines(read_html(tmp_path, page)) == lines


def test_a_mark_behind_a_number_is_left_out_as_a_note(tmp_path: Path) -> None:
    (ledger,) = read_html(tmp_path, MARKS).ledgers
    left_out = [(one.reason, one.text) for one in ledger.passages() if one.reason == "footnote"]
    assert left_out == [("footnote", number) for number in "2356478"]
