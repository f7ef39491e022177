"""Parsers of subtitles that forgive nothing."""

from __future__ import annotations

import html
import re


def seconds(hours: str, minutes: str, rest: str, millis: str) -> float:
    assert int(minutes) < 60
    assert int(rest) < 60
    return int(hours) * 3600 + int(minutes) * 60 + int(rest) + int(millis) / 1000


def parse(text: str, point: str) -> list[tuple[float, float, list[str]]]:
    """The cues of blocks with one line of times each; asserts rising times and at most two lines."""
    clock = rf"(\d\d+):(\d\d):(\d\d){re.escape(point)}(\d\d\d)"
    found = []
    before_s = 0.0
    for block in text.split("\n\n"):
        times, *lines = block.removesuffix("\n").split("\n")
        match = re.fullmatch(f"{clock} --> {clock}", times)
        assert match, times
        start_s, end_s = seconds(*match.groups()[:4]), seconds(*match.groups()[4:])
        assert before_s <= start_s < end_s
        before_s = end_s
        assert 1 <= len(lines) <= 2
        assert all(line.strip() and "-->" not in line for line in lines)
        found.append((start_s, end_s, lines))
    return found


def parse_vtt(text: str) -> list[tuple[str, str]]:
    """(speaker, text) of each cue."""
    assert text.startswith("WEBVTT\n")
    if text == "WEBVTT\n":
        return []
    found = []
    for _, _, lines in parse(text.removeprefix("WEBVTT\n\n"), "."):
        match = re.fullmatch(r"(?:<v ([^<>]+)>)?([^<>]*)", "\n".join(lines))
        assert match, lines
        assert not re.search(r"&(?!amp;|lt;|gt;)", match[0])
        over = max(len(match[1] or "") + 4 - 40, 0)
        assert len(lines[0]) <= 65 + over
        assert all(len(line) <= 65 for line in lines[1:])
        found.append((html.unescape(match[1] or ""), html.unescape(match[2])))
    return found


def parse_srt(text: str) -> list[str]:
    """The text of each cue."""
    if not text:
        return []
    blocks = text.split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == [str(n) for n in range(1, len(blocks) + 1)]
    bare = "\n\n".join(block.split("\n", 1)[1] for block in blocks)
    found = parse(bare, ",")
    assert all(len(line) <= 32 for _, _, lines in found for line in lines)
    return ["\n".join(lines) for _, _, lines in found]


def letters(text: str) -> str:
    """`text` without white space and control characters."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]", "", text)
