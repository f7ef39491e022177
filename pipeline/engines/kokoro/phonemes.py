"""Text in, the phonemes that Kokoro was trained on out: espeak-ng's, with punctuation between them.

IPA within a text, as `/wɪn/`, is spoken as it stands: espeak-ng gets a word in its place, so that the words beside it
are what they would be, and the IPA takes that word's place among the phonemes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from ctypes import CDLL
from itertools import zip_longest

from pipeline.engines.espeak import espeak_phonemes, espeak_with_voice
from pipeline.errors import EngineError, Problem

ESPEAK_VOICES = {"a": "en-us", "b": "en"}  # by the first letter of a voice: American and British

# Not within 1,000 or 3.5. Kokoro breathes at each; espeak-ng is given what stands between them.
_MARKS = re.compile(r"\s*(?:[;!?—…\"“”()]|[,.:](?!\d))+\s*")
_DASH = re.compile(r"\s*--+\s*|\s+[-–]\s+|–(?!\d)")
_DOTS = re.compile(r"\.\.+")
_INITIALISM = re.compile(r"(?<![\w'’])[A-Z]{2,}(?![\w'’])")
_FLAG = re.compile(r"\([a-z-]+\)")  # espeak-ng's, where it speaks a word in another language

# Of several words where no letter stands before it: text has no slashes of its own when it comes here, but may be given
# to the engine as it stands.
_IPA = re.compile(r"(?:(?<!\w)/(?! )(?P<words>[^/]+)(?<! )/|/(?P<word>[^/\s]+)/)(?P<ending>['’]?s\b|e?d\b)?")
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
_VOICELESS_BEFORE_D = "pkfθsʃʧ"
_STRESSES = "ˈˌ'"
_MARKS_OF_SOUNDS = "ˈˌːʰʲ"  # of stress, length and manner; letters to Python


def phonemes(text: str, espeak_voice: str, vocabulary: Collection[str]) -> str:
    """What Kokoro is given for `text`, in signs of its `vocabulary` alone.

    Raises `EngineError` for IPA with a sound that is not in it, and where nothing is left to be said.
    """
    matches = list(_IPA.finditer(text))
    sounds = [_ipa(match["words"] or match["word"], match["ending"] or "", vocabulary) for match in matches]
    with espeak_with_voice(espeak_voice) as library:
        spoken = _phonemes_around(library, _IPA.sub(_stand_in, text))
        if sounds and len(_STAND_IN.findall(spoken)) != len(sounds):  # a word was made of one and what it touches
            ends = [0, *(match.end() for match in matches)]
            starts = [*(match.start() for match in matches), len(text)]
            around = [_phonemes_around(library, text[end:start]) for end, start in zip(ends, starts, strict=True)]
            spoken = "".join(part for pair in zip_longest(around, sounds, fillvalue="") for part in pair)
        else:
            remaining = iter(sounds)
            spoken = _STAND_IN.sub(lambda _match: next(remaining), spoken)
    known = " ".join("".join(sign for sign in spoken if sign in vocabulary or sign.isspace()).split())
    if not any(sign.isalpha() and sign not in _MARKS_OF_SOUNDS for sign in known):
        raise EngineError(Problem("engine kokoro", f'there is nothing to say in "{text}".'))
    return known


def unknown_signs(ipa: str, vocabulary: Collection[str]) -> str:
    """The signs of IPA that stand for no sound in a `vocabulary`, each once; often ""."""
    return "".join(sorted({sign for sign in _respelled(ipa) if sign not in vocabulary}))


def _stand_in(match: re.Match[str]) -> str:
    """A word for IPA, apart from letters that stand against it."""
    sounds, text = match["words"] or match["word"], match.string
    before = "-" if text[: match.start()][-1:].isalnum() else ""
    after = "-" if text[match.end() : match.end() + 1].isalnum() else ""
    return f"{before}{_STAND_INS[sounds.lstrip(_STRESSES)[:1] in _VOWELS]}{after}"


def _phonemes_around(library: CDLL, text: str) -> str:
    """What espeak-ng makes of a text, and the text's own punctuation and outer spaces."""
    plain = _DOTS.sub("…", _DASH.sub("—", text))
    spoken = "".join(
        part if index % 2 else _FLAG.sub("", espeak_phonemes(library, _spelt_out(part)))
        for index, part in enumerate(_split(plain))
    )
    return f"{' ' * text[:1].isspace()}{spoken}{' ' * text[-1:].isspace()}"


def _spelt_out(clause: str) -> str:
    """A clause with its initialisms as letters, "I Q" and "F A-A", where it has no more small letters than capitals.

    There espeak-ng says them as words, and spells them elsewhere. "A" alone would be the article.
    """
    if sum(map(str.islower, clause)) > sum(map(str.isupper, clause)):
        return clause

    def letters(match: re.Match[str]) -> str:
        return re.sub(" A$", "-A", re.sub(r"\bA (?=.)", "A-", " ".join(match[0])))

    return _INITIALISM.sub(letters, clause)


def _split(text: str) -> Iterator[str]:
    """What stands between marks, and the marks with their spaces, by turns."""
    end = 0
    for match in _MARKS.finditer(text):
        yield text[end : match.start()]
        yield match[0]
        end = match.end()
    yield text[end:]


def _ipa(written: str, ending: str, vocabulary: Collection[str]) -> str:
    """IPA in Kokoro's spelling: stress stands before its vowel, and a word has some."""
    if unknown := unknown_signs(written, vocabulary):
        raise EngineError(Problem("engine kokoro", f'the IPA /{written}/ has "{unknown}", which Kokoro does not know.'))
    ipa = _respelled(written)
    if "ˈ" not in ipa:
        ipa = f"ˈ{ipa}"
    if ending.endswith("s"):
        ipa += "ᵻz" if ipa[-1] in _SIBILANTS else "s" if ipa[-1] in _VOICELESS else "z"
    elif ending:
        ipa += "ᵻd" if ipa[-1] in "td" else "t" if ipa[-1] in _VOICELESS_BEFORE_D else "d"
    return _STRESS.sub(r"\2\1", ipa)


def _respelled(ipa: str) -> str:
    return _SPELLING.sub(lambda match: _SPELLINGS[match[0]], _TIE.sub("", ipa))
