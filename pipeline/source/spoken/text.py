"""Text: from what is displayed to what is spoken, tags among it.

In: display text with single spaces and tags such as (laughs). Out: plain text for an engine, words.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.folding import fold

# Each tag an engine may know, and the notes that transcripts write for it.
_NOTES_OF_TAG = {
    "(laughs)": "laugh laughs laughed laughing laughter giggle giggles giggling",
    "(clears throat)": "ahem",
    "(sighs)": "sigh sighs sighed sighing",
    "(gasps)": "gasp gasps gasped gasping",
    "(coughs)": "cough coughs coughed coughing",
    "(singing)": "singing",
    "(sings)": "sing sings sang",
    "(mumbles)": "mumble mumbles mumbled mumbling mutters muttering",
    "(beep)": "beep beeps beeping",
    "(groans)": "groan groans groaned groaning",
    "(sniffs)": "sniff sniffs sniffed sniffing sniffles sniffling",
    "(claps)": "clap claps clapped clapping",
    "(screams)": "scream screams screamed screaming",
    "(inhales)": "inhale inhales inhaled inhaling",
    "(exhales)": "exhale exhales exhaled exhaling",
    "(applause)": "applause applauds applauding",
    "(burps)": "burp burps burped burping",
    "(humming)": "hum hums hummed humming",
    "(sneezes)": "sneeze sneezes sneezed sneezing",
    "(chuckle)": "chuckle chuckles chuckled chuckling",
    "(whistles)": "whistle whistles whistled whistling",
}
NONVERBAL_TAGS = frozenset(_NOTES_OF_TAG)
_TAG_OF_NOTE = {note: tag for tag, notes in _NOTES_OF_TAG.items() for note in notes.split()}

# ASCII case folding only: otherwise the long s of "(laughſ)" would match and not lower to a known tag.
TAG_SOURCE = "(?ai:" + "|".join(re.escape(tag) for tag in sorted(NONVERBAL_TAGS)) + ")"
_TAG = re.compile(TAG_SOURCE)
WORD = re.compile(rf"(?:{TAG_SOURCE}|\S)+")
CLOSERS = "\"'”’»›)]}」』）》〉*"
_SPEECH = re.compile(r"[^\W_]")
_SIGNS = re.compile(r"[.,;:!?]+[\"')]*|[\"')]+[.,;:!?]*(?![^\W_])")
_LIKE_A_TAG = re.compile(r"\((?:[a-z]+ )?[a-z]+(?:s|ing)\)")  # (whispers), (quietly crying); not (maybe)

_NOT_AS_IT_STANDS = re.compile(r"[^ -~]|[(\[\]{}`/\\]|--|  ")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 .,;:!?'\"-]|--")


def is_plain(text: str) -> bool:
    """Whether the text is of ASCII letters, digits and plain punctuation, and is said as it stands in any language."""
    return _NOT_PLAIN.search(text) is None


def spoken(display: str, *, tags: bool) -> str:
    """The text for an engine: plain punctuation, no pictographs, tags in lower case or (tags=False) dropped.

    Word by word: cutting the display text at any space outside a tag and joining the spoken pieces gives what
    the whole gives, so chunks can be cut before or after. That is why punctuation behind a dropped tag that stood
    apart goes with it; `pairs` has it back at the word before.
    """
    if _NOT_AS_IT_STANDS.search(display) is None:
        return display.strip(" ")
    if "(" not in display:
        return fold(display)
    folded = (fold(word) for word in words(display))  # which may make a tag, of "(laughſ)" for example
    if tags:
        return " ".join(_TAG.sub(lambda match: match[0].lower(), word) for word in folded if word)
    return " ".join(part.strip() for word in folded for part in _without_tags(word) if part.strip())


def _without_tags(word: str) -> list[str]:
    parts = _TAG.split(word)
    if len(parts) == 1:
        return parts
    said = [part for part in parts if _SPEECH.search(part)]
    if said and parts[0] == said[-1] and (signs := _signs(parts[-1])):  # "Hello(laughs)."
        said[-1] += signs
    return said


def signs_behind_tag(word: str) -> str:
    """What ends a sentence or clause behind a tag, with quotes it closes: "," of the word "(laughs),"; else ""."""
    parts = _TAG.split(fold(word))
    signs = _signs(parts[-1]) if len(parts) > 1 and not any(map(_SPEECH.search, parts)) else ""
    return signs.rstrip(CLOSERS) if parts[0] else signs


def _signs(text: str) -> str:
    signs = _SIGNS.match(text.strip())
    return signs[0] if signs else ""


def has_tag(text: str) -> bool:
    """Whether one of the non-verbal tags stands in the text."""
    return "(" in text and _TAG.search(text) is not None


def tag_spans(text: str) -> list[tuple[int, int]]:
    """Where the non-verbal tags stand in the text."""
    return [match.span() for match in _TAG.finditer(text)]


def unknown_tags(text: str) -> list[str]:
    """What looks like a non-verbal tag and is none: one word or two in brackets that say what somebody does."""
    return [tag for tag in _LIKE_A_TAG.findall(text) if not _TAG.fullmatch(tag)] if "(" in text else []


def nearest_tag(note: str) -> str:
    """The tag that a note of at most three words stands for ("both laugh", "clearing throat"), or ""."""
    parts = note.lower().split()
    if not 0 < len(parts) <= 3:
        return ""
    if len(parts) > 1 and "throat" in parts:
        return "(clears throat)"
    return _TAG_OF_NOTE.get(parts[0]) or _TAG_OF_NOTE.get(parts[-1]) or ""


def has_speech(spoken: str) -> bool:
    """Whether there is a letter or digit outside the tags."""
    return _SPEECH.search(_TAG.sub("", spoken) if "(" in spoken else spoken) is not None


def words(text: str) -> list[str]:
    """The words, split at white space; a tag such as "(clears throat)" stays one word."""
    return WORD.findall(text) if "(" in text else text.split()
