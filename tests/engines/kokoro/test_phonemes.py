"""What Kokoro is given for a text: espeak-ng's phonemes, the text's punctuation, and IPA as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kokoro_onnx.config import DEFAULT_VOCAB, MAX_PHONEME_LENGTH

from pipeline.engines import TRAITS
from pipeline.engines.kokoro.phonemes import phonemes
from pipeline.errors import EngineError


def _american(text: str) -> str:
    return phonemes(text, "en-us", DEFAULT_VOCAB)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lamp is lit, is it?", "ðə lˈæmp ɪz lˈɪt, ɪz ɪt?"),
        ("Well then... no -- yes - so.", "wˈɛl ðˈɛn… nˈoʊ—jˈɛs—sˈoʊ."),
        ("It has 1,000 and 3.5, no more.", "ɪt hɐz wˈʌn θˈaʊzənd ænd θɹˈiː pɔɪnt fˈaɪv, nˈoʊmˌɔːɹ."),
        ('"So?" (She laughed.)', '"sˈoʊ?" (ʃiː lˈæft.)'),
    ],
)
def test_punctuation_stays_where_it_was(text: str, expected: str) -> None:
    """That within a number is the number's."""
    assert _american(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I met /wɪn/.", "aɪ mˈɛt wˈɪn."),
        ("A /ˈwɪn/ and an /ˈæpəl/", "ɐ wˈɪn ænd ɐn ˈæpəl"),
        ("The /wɪn/ of the /æpəl/, /wɪn/.", "ðə wˈɪn ʌvðɪ ˈæpəl, wˈɪn."),
        ("/wɪn/'s hat, /kæt/'s hat, /ˈt͡ʃɝt͡ʃ/’s hat", "wˈɪnz hˈæt, kˈæts hˈæt, ʧˈɜɹʧᵻz hˈæt"),
        ("/gri'ɡoːr/ /ˈbʌt.n̩/", "ɡɹiɡˈoːɹ bˈʌtən"),
        ("/ˌæpəˈlætʃə/-like", "ˌæpəlˈæʧəlˈaɪk"),
        ("/wɪn/esque Ho-/wɪn/-Smith's d'/æpəl/", "wˈɪnˈɛsk hˈoʊwˈɪnsmˈɪθz dˈæpəl"),
        ("/skaɪp/ed /ˈɡuːɡəl/d /wɪn/s /pæt/ed x/wɪn/y", "skˈaɪpt ɡˈuːɡəld wˈɪnz pˈætᵻd ˈɛkswˈɪnwˈaɪ"),
        ("/sɛn ˈʒɔn/, /wɪn/ ovuvog", "sɛn ʒˈɔn, wˈɪn ˈoʊvjuːvˌɑːɡ"),
    ],
)
def test_ipa_is_spoken_as_it_stands(text: str, expected: str) -> None:
    """In Kokoro's spelling, with the words beside it as they are beside such a word."""
    assert _american(text) == expected


def test_a_slash_that_is_not_around_a_word_is_no_ipa() -> None:
    """It is left to espeak-ng."""
    assert "slˈæʃ" in _american("This and/or that/these")


def test_what_cannot_be_said_is_told() -> None:
    """Sounds that Kokoro lacks, and texts without any."""
    with pytest.raises(EngineError, match='the IPA /ʘa⁇/ has "ʘ⁇", which Kokoro does not know'):
        _american("Say /ʘa⁇/ now.")
    for text in ("", "...", "?!", " ", "\0", "\ud800", "/ˈ/", "/ːː/", "/ˈˌ/ … /ˈ/"):
        with pytest.raises(EngineError, match="nothing to say"):
            _american(text)


def test_what_no_text_holds_hides_none_of_it() -> None:
    """A zero, which ends a text for espeak-ng, and half of a surrogate pair."""
    assert _american("a big\0 red\ud800 cat") == _american("a big red cat")


@given(st.text(st.characters(), max_size=60))
def test_only_signs_of_the_vocabulary_come_out(text: str) -> None:
    """Whatever the text, in both accents."""
    for accent in ("en-us", "en"):
        try:
            assert set(phonemes(text, accent, DEFAULT_VOCAB)) <= DEFAULT_VOCAB.keys()
        except EngineError:
            continue


WORDS = "through strengths the of squirrel would question January extraordinary university".split()


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=300))
def test_a_chunk_of_words_fits_the_network(words: list[str]) -> None:
    """Without being split: what is split sounds worse."""
    text = " ".join(words).encode()[: TRAITS["kokoro"].budget.max_bytes].decode()
    assert len(_american(text)) <= MAX_PHONEME_LENGTH


@pytest.mark.parametrize(
    ("capitals", "letters"),
    [
        ("My IQ?", "My I Q?"),
        ("The FAA.", "The F A-A."),
        ("An ECG, please.", "An E C G, please."),
        ("YMCA!", "Y M C-A!"),
    ],
)
def test_initialisms_are_letters_in_clauses_of_capitals_too(capitals: str, letters: str) -> None:
    """Where espeak-ng takes them for shouted words."""
    assert phonemes(capitals, "en-us", DEFAULT_VOCAB) == phonemes(letters, "en-us", DEFAULT_VOCAB)
