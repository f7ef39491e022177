"""Text in, the phonemes that Kokoro was trained on out: espeak-ng's, with punctuation between them.

IPA within a text, as `/wɪn/`, is spoken as it stands: espeak-ng gets a word in its place, so that the words beside it
are what they would be, and the IPA takes that word's place among the phonemes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from pipeline.engines.espeak import espeak_phonemes, espeak_with_voice
from pipeline.errors import EngineError, Problem

ESPEAK_VOICES = {"a": "en-us", "b": "en"}  # by the first letter of a voice: American and British

# Not within 1,000 or 3.5. Kokoro breathes at each; espeak-ng is given what stands between them.
_MARKS = re.compile(r"\s*(?:[;!?—…\"“”()]|[,.:](?!\d))+\s*")
_DASH = re.compile(r"\s*--+\s*|\s+[-–]\s+|–(?!\d)")
_DOTS = re.compile(r"\.\.+")
_FLAG = re.compile(r"\([a-z-]+\)")  # espeak-ng's, where it speaks a word in another language

_IPA = re.compile(r"(?<!\w)/([^/\s]+)/(['’]s\b)?(?!\w)")
# Words that are none, and what espeak-ng makes of them in both accents.
_STAND_INS = {False: "vozhvog", True: "ovuvog"}  # True: for IPA that begins with a vowel, as "the" before it changes
_STAND_IN = re.compile(r"v[ˈˌ]?[ɑɒ]ː?ʒv[ˈˌ]?[ɑɒ]ː?ɡ|[ˈˌ]?(?:oʊ|əʊ)vj[ˈˌ]?uːv[ˈˌ]?[ɑɒ]ː?ɡ")
_VOWELS = "aeiouyɑɐɒæɔəɘɚɛɜɝɞɤɨɪɯɵøœɶʉʊʌᵻᵊAIOQWY"
_STRESS = re.compile(rf"([ˈˌ])([^{_VOWELS}ˈˌ]*)(?=[{_VOWELS}])")
# What people write for sounds that Kokoro knows by another sign, and what it does without.
_SPELLINGS = {
    "'": "ˈ",
    "g": "ɡ",
    "r": "ɹ",
    ":": "ː",
    "tʃ": "ʧ",
    "dʒ": "ʤ",
    "ɫ": "l",
    "ɝ": "ɜɹ",
    "ʉ": "u",
    "ɵ": "ə",
    "ɘ": "ə",
    "ɞ": "ɜ",
    "ʍ": "w",
    "n̩": "ən",
    "l̩": "əl",
    "m̩": "əm",
    ".": "",
    "-": "",
    "‿": "",
    "̯": "",
    "̩": "",
    "̥": "",
    "ˑ": "",
}
_SPELLING = re.compile("|".join(map(re.escape, sorted(_SPELLINGS, key=len, reverse=True))))
_TIE = re.compile("[͜͡]")
_VOICELESS, _SIBILANTS = "ptkfθ", "szʃʒʧʤ"


def phonemes(text: str, espeak_voice: str, vocabulary: Collection[str]) -> str:
    """What Kokoro is given for `text`, in signs of its `vocabulary` alone.

    Raises `EngineError` for IPA with a sound that is not in it, and where nothing is left to be said.
    """
    sounds = [_ipa(match[1], match[2] or "", vocabulary) for match in _IPA.finditer(text)]
    plain = _IPA.sub(lambda match: _STAND_INS[match[1].lstrip("ˈˌ'")[:1] in _VOWELS], text)
    plain = _DOTS.sub("…", _DASH.sub("—", plain))
    with espeak_with_voice(espeak_voice) as library:
        parts = [
            part if index % 2 else _FLAG.sub("", espeak_phonemes(library, part))
            for index, part in enumerate(_split(plain))
        ]
    spoken = "".join(parts)
    if sounds:
        if len(_STAND_IN.findall(spoken)) != len(sounds):
            raise EngineError(Problem("engine kokoro", f'the IPA in "{text}" cannot be put into it.'))
        remaining = iter(sounds)
        spoken = _STAND_IN.sub(lambda _match: next(remaining), spoken)
    known = " ".join("".join(sign for sign in spoken if sign in vocabulary or sign.isspace()).split())
    if not any(sign.isalpha() for sign in known):
        raise EngineError(Problem("engine kokoro", f'there is nothing to say in "{text}".'))
    return known


def _split(text: str) -> Iterator[str]:
    """What stands between marks, and the marks with their spaces, by turns."""
    end = 0
    for match in _MARKS.finditer(text):
        yield text[end : match.start()]
        yield match[0]
        end = match.end()
    yield text[end:]


def _ipa(written: str, genitive: str, vocabulary: Collection[str]) -> str:
    """IPA in Kokoro's spelling: stress stands before its vowel, and a word has some."""
    ipa = _SPELLING.sub(lambda match: _SPELLINGS[match[0]], _TIE.sub("", written))
    if unknown := sorted({sign for sign in ipa if sign not in vocabulary}):
        what = f'the IPA /{written}/ has "{"".join(unknown)}", which Kokoro does not know.'
        raise EngineError(Problem("engine kokoro", what))
    if "ˈ" not in ipa:
        ipa = f"ˈ{ipa}"
    if genitive:
        ipa += "ᵻz" if ipa[-1] in _SIBILANTS else "s" if ipa[-1] in _VOICELESS else "z"
    return _STRESS.sub(r"\2\1", ipa)
