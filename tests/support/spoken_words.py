"""Tables of what is displayed and what is said for it, and the English that reads them: all families of words."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from pipeline.source.spoken.families import families
from pipeline.source.spoken.pairs import Normalizer
from pipeline.source.spoken.text import NONVERBAL_TAGS

WORDS = st.one_of(
    st.sampled_from(
        [
            *sorted(NONVERBAL_TAGS),
            "(LAUGHS).",
            "Mr.",
            "J.",
            "U.S.",
            "“Go!”",
            "—",
            "-",
            ".",
            "...",
            "I.",
            "5.",
            "no,",
            "好。吗？",
        ]
    ),
    st.text(min_size=1, max_size=6),
)
DISPLAY = st.lists(WORDS, max_size=12).map(lambda parts: " ".join(" ".join(parts).split()))

CASES = Path(__file__).parents[1] / "source" / "spoken" / "cases"
ENGLISH = Normalizer("en", tags=True, families=families("en"))


def cases(name: str) -> list[tuple[str, str]]:
    """The rows of a table: display, TAB, spoken; lines that begin with "# " are its sections."""
    lines = (CASES / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if "\t" in line]
    return [(display, spoken) for display, spoken in rows]
