"""Codes of languages as books have them, and as manifests do."""

from __future__ import annotations

import pytest

from pipeline.errors import InvalidValueError
from pipeline.source.languages import LANGUAGES, is_language_tag, language_tag, short_code


@pytest.mark.parametrize(
    ("code", "short"),
    [("deu", "de"), ("ger", "de"), ("ENG", "en"), ("en_GB", "en-GB"), ("fre-CA", "fr-CA")],
)
def test_three_letters_become_two(code: str, short: str) -> None:
    assert short_code(code) == short


def test_every_language_has_both() -> None:
    assert all(short_code(three) == two for two, three in LANGUAGES.items())


@pytest.mark.parametrize(
    "tag",
    "en EN-gb yue zh-Hant-TW zh-yue-HK es-419 de-CH-1996 sl-rozaj en-gb-scotland en-u-co-phonebk en-gb-x-rp xx".split(),
)
def test_a_tag_of_bcp_47_is_one(tag: str) -> None:
    """Also of a language that there is not, and in any case."""
    assert language_tag(tag) == tag


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("../etc", "Write one such as"),
        ("", "Write one such as"),
        ("e", "Write one such as"),
        ("en-", "Write one such as"),
        ("-en", "Write one such as"),
        ("en gb", "Write one such as"),
        ("en-x", "Write one such as"),
        ("en\n", 'Did you mean "en"?'),
        ("en_GB", 'Did you mean "en-GB"?'),
        ("German", 'Did you mean "de"?'),
        ("français", 'Did you mean "fr"?'),
    ],
)
def test_what_is_no_tag_is_refused_with_what_may_be_meant(tag: str, hint: str) -> None:
    with pytest.raises(InvalidValueError, match="is no language code") as caught:
        language_tag(tag)
    assert caught.value.next_step.startswith(hint)


def test_every_code_is_a_tag() -> None:
    assert all(is_language_tag(code) for pair in LANGUAGES.items() for code in pair)
