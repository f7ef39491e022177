"""Profiles are data: each limit has its source, and a person's own file is read as strictly as a manifest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.deliver.profiles import PROFILES, Profile, find_profile
from pipeline.errors import RequestError
from tests.support.commands import REPOSITORY

OWN = """\
profile: my-network
source: The handbook of 2026
stereo_sum: true
lufs: {min: -17, max: -15, source: "The handbook, 3.2"}
sample_rate_hz: {one_of: [44100, 48000]}
tags: {required: [title, album]}
cover: {required: true, square: true, min_px: 1400, max_px: 3000}
"""


def test_each_limit_of_a_body_names_its_source() -> None:
    """And every profile has a level and a peak."""
    for profile in PROFILES.values():
        assert profile.true_peak_dbtp is not None
        assert (profile.lufs is None) != (profile.rms_db is None)
        for name in Profile.model_fields:
            limit = getattr(profile, name)
            assert not isinstance(limit, BaseModel) or getattr(limit, "source") or profile.source, name  # noqa: B009


def test_one_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    profile = find_profile(str(tmp_path / "own.yaml"))
    assert profile.profile == "my-network"
    assert profile.lufs is not None
    assert (profile.lufs.min, profile.lufs.max, profile.lufs.source) == (-17, -15, "The handbook, 3.2")
    assert profile.rms_db is None


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("profile: my-network\n", "", 1, 'no "profile"'),
        ("source: The handbook of 2026", "sauce: x", 2, 'Did you mean "source"?'),
        ("{min: -17, max: -15", "{min: -15, max: -17", 4, "Exchange them."),
        ('{min: -17, max: -15, source: "The handbook, 3.2"}', "{}", 4, "neither min nor max"),
        ("-17", "loud", 4, "has to be a number"),
        ("-17", ".inf", 4, "has to be a number"),
        ("max: -15", "most: -15", 4, 'unknown key "most"'),
        ("[44100, 48000]", "[]", 5, "must not be empty"),
        ("[title, album]", "[titel]", 6, 'Did you mean "title"?'),
        ("min_px: 1400", "min_px: 0", 7, "at least 1"),
        ("stereo_sum: true", "rms_db: {max: -18}", 1, "a level is given twice"),
    ],
)
def test_what_is_wrong_in_it_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN.replace(old, new))
    with pytest.raises(RequestError) as error:
        find_profile(str(path))
    assert words in str(error.value)
    assert any(problem.where == f"{path}:{line}" for problem in error.value.problems), str(error.value)


def test_a_list_whose_only_item_is_wrong_is_not_called_empty_too(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("profile: mine\nsource: me\ntags: {required: [titel]}\ncodec: {one_of: [mp4]}\n")
    with pytest.raises(RequestError) as error:
        find_profile(str(path))
    assert [problem.where for problem in error.value.problems] == [f"{path}:3", f"{path}:4"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("acxx", 'Did you mean "acx"?'), ("none.yaml", "no such file"), ("", "no profile"), ("x/acx", "no such file")],
)
def test_a_profile_that_is_not_there(name: str, words: str) -> None:
    with pytest.raises(RequestError, match=words.replace("?", r"\?")):
        find_profile(name)


def test_the_page_lists_every_profile_and_key() -> None:
    """And the file that it shows can be read."""
    page = (REPOSITORY / "docs" / "comply.md").read_text(encoding="utf-8")
    profiles = page.split("## Profiles")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w[\w-]*)` \|", profiles, re.MULTILINE)) == PROFILES.keys()
    keys = re.findall(r"^\| (`.*?) \|", page.split("## A profile of your own")[1], re.MULTILINE)
    assert {key for cell in keys for key in re.findall(r"`(\w+)`", cell)} == set(Profile.model_fields)
