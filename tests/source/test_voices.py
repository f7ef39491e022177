"""Voices that ship, voices of one's own, and who gets which."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines import KokoroVoice, Line, Rendered, Request, open_engine
from pipeline.errors import RequestError
from pipeline.settings import bundled_voices
from pipeline.source.names import gender_of
from pipeline.source.voices import cast_speakers, load_library

LIBRARY = load_library([bundled_voices()])
NAMES = st.lists(st.text("abcdefgh", min_size=1, max_size=4), unique=True, max_size=11)


def test_the_voices_that_ship_are_distinct_and_nobodys() -> None:
    """At least six, each with a consent note and a sound of its own, all known to espeak-ng."""
    assert len(LIBRARY) >= 6
    engine = open_engine("draft")
    assert engine.check("en", [entry.voice for entry in LIBRARY.values()]) == []
    sounds = []
    for entry in LIBRARY.values():
        assert "no person was recorded" in entry.consent
        assert entry.gender
        assert entry.accent
        (spoken,) = engine.render([Request("k", (Line(entry.voice, "Good evening, everybody."),), "en", 0)])
        assert isinstance(spoken, Rendered)
        sounds.append(spoken.pcm.tobytes())
    assert len(set(sounds)) == len(LIBRARY)


@given(NAMES.map(lambda names: [name for name in names if gender_of(name) is None]))
def test_speakers_get_distinct_voices_by_default(speakers: list[str]) -> None:
    """As long as there are voices left (of their gender, where the name tells it), and never the narrator's."""
    casting = cast_speakers(speakers, {}, None, LIBRARY, {})
    voices = [casting.roles[speaker].voice.name for speaker in (None, *speakers)]
    assert len(set(voices)) == len(voices)
    assert all(role.default for role in casting.roles.values())


@given(NAMES, st.text("xyz", min_size=1, max_size=4))
def test_a_speaker_at_the_end_changes_nobodys_voice(speakers: list[str], late: str) -> None:
    """Else a book would be rendered again."""
    before = cast_speakers(speakers, {}, None, LIBRARY, {}).roles
    after = cast_speakers([*speakers, late], {}, None, LIBRARY, {}).roles
    assert {speaker: after[speaker] for speaker in before} == dict(before)


def test_the_cast_goes_first() -> None:
    """And its voices are not given to others."""
    casting = cast_speakers(["Ann", "Bob", "Cleo"], {"Bob": "kate"}, "leo", LIBRARY, {})
    assert casting.roles["Bob"].voice.name == "kate"
    assert casting.roles[None].voice.name == "leo"
    assert not casting.roles["Bob"].default
    assert not {casting.roles[name].voice.name for name in ("Ann", "Cleo")} & {"kate", "leo"}


def test_more_speakers_than_voices_is_told() -> None:
    """Everybody still speaks."""
    speakers = [f"Speaker {n}" for n in range(40)]
    casting = cast_speakers(speakers, {}, None, LIBRARY, {})
    assert casting.roles.keys() == {None, *speakers}
    (warning,) = casting.warnings
    assert "more speakers than default voices: " in warning.what
    assert all(f"{name} has the voice of " in warning.what for name in speakers[11:])  # each who shares one
    assert not any(f"{name} has the voice of " in warning.what for name in speakers[:11])
    uses = Counter(role.voice.name for speaker, role in casting.roles.items() if speaker is not None)
    assert max(uses.values()) - min(uses.values()) <= 1  # nobody's voice is used up while others are rested


def test_default_voices_alternate() -> None:
    """As the two hosts of most shows are told apart, beginning with the narrator."""
    casting = cast_speakers([f"Speaker {n}" for n in range(11)], {}, None, LIBRARY, {})
    genders = [LIBRARY[role.voice.name].gender for role in casting.roles.values()]
    assert genders == ["female", "male"] * 6
    after_cast = cast_speakers(["X", "Y", "Z"], {"X": "ben"}, "leo", LIBRARY, {}).roles
    assert [LIBRARY[after_cast[name].voice.name].gender for name in "XYZ"] == ["male", "female", "male"]


@pytest.mark.parametrize(
    ("name", "gender"),
    [
        *[(name, "female") for name in ("Ann", "ALICE", "Mrs. Bennet", "The Red Queen", "Mary King", "Lady Macbeth")],
        *[(name, "male") for name in ("Bob", "Mr Darcy", "Dr. King", "Macbeth", "Father Mary", "Old Man")],
    ],
)
def test_a_voice_follows_a_name_where_it_tells(name: str, gender: str) -> None:
    """Whoever spoke before."""
    for before in (["X"], ["X", "Y"]):
        casting = cast_speakers([*before, name], {}, None, LIBRARY, {})
        assert LIBRARY[casting.roles[name].voice.name].gender == gender


@given(st.text(max_size=20))
def test_any_name_may_tell_nothing(name: str) -> None:
    assert gender_of(name) in (None, "female", "male")
    assert gender_of("Speaker 7") is gender_of("") is gender_of("…") is None


def test_unknown_voices_are_all_told_and_idle_names_noted() -> None:
    """With their places, and the nearest name."""
    with pytest.raises(RequestError) as error:
        cast_speakers(
            ["Ann"], {"Ann": "adda", "Bob": "bem"}, "zzz", LIBRARY, {"Ann": "m.yaml:4", "narrator": "m.yaml:9"}
        )
    problems = [str(problem) for problem in error.value.problems]
    assert problems[0] == 'm.yaml:4: no voice "adda" in voices/. Did you mean "ada"?'
    assert len(problems) == 3
    (warning,) = cast_speakers(["Anne"], {"Ann": "ada"}, None, LIBRARY, {}).warnings
    assert str(warning) == 'cast: "Ann" never speaks in the script. Did you mean "Anne"?'


def _voice(folder: Path, name: str, text: str) -> Path:
    path = folder / name / "voice.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_voice_of_ones_own_goes_before_one_that_ships(tmp_path: Path) -> None:
    """With a prompt, its hash and its transcript."""
    path = _voice(tmp_path, "ada", "description: Mine\nconsent: I am she.\nprompt: p.wav\ntranscript: Hello.\n")
    soundfile.write(path.parent / "p.wav", np.zeros(100), 44_100)
    entry = load_library([tmp_path, bundled_voices()])["ada"]
    assert entry.description == "Mine"
    assert entry.voice.transcript == "Hello."
    assert len(entry.voice.prompt_sha256) == 64
    assert not entry.default_cast


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("description: x\n", '"consent"'),
        ("description: x\nconsent: y\npromt: z\n", 'Did you mean "prompt"'),
        ("description: x\nconsent: y\nprompt: z.wav\ntranscript: t\n", 'no file "z.wav"'),
        ("description: x\nconsent: y\nprompt: ../../z.wav\ntranscript: t\n", "leaves the voice's folder"),
        ("description: x\nconsent: y\nprompt: voice.yaml\n", "needs its transcript"),
        ("description: x\nconsent: y\ndraft: {rate_wpm: 9000}\n", "rate_wpm"),
        ("", '"description"'),
    ],
)
def test_a_broken_voice_is_told(tmp_path: Path, text: str, problem: str) -> None:
    """With the file it is in."""
    _voice(tmp_path, "mine", text)
    with pytest.raises(RequestError, match=r"voice\.yaml:") as error:
        load_library([tmp_path])
    assert problem in str(error.value)


def test_a_voice_says_which_of_kokoro_s_it_is(tmp_path: Path) -> None:
    """Who names none has one of their gender; a name that there is not is told, with its line, and so is a speed."""
    for name, keys in (
        ("ann", "gender: female"),
        ("bob", "gender: male"),
        ("cleo", ""),
        ("dora", "kokoro: {voice: bf_lily, speed: 0.8}"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "voice.yaml").write_text(f"description: x\nconsent: x\n{keys}\n")
    spoken = {name: entry.voice.kokoro for name, entry in load_library([tmp_path]).items()}
    assert spoken == {
        "ann": KokoroVoice("af_heart"),
        "bob": KokoroVoice("am_michael"),
        "cleo": KokoroVoice("af_heart"),
        "dora": KokoroVoice("bf_lily", 0.8),
    }
    file = tmp_path / "dora" / "voice.yaml"
    file.write_text("description: x\nconsent: x\nkokoro:\n  voice: af_hart\n  speed: 9\n")
    with pytest.raises(RequestError) as caught:
        load_library([tmp_path])
    assert [str(problem) for problem in caught.value.problems] == [
        f'{file}:4: "af_hart" is no kokoro.voice. Did you mean "af_heart"?',
        f"{file}:5: \"kokoro.speed\" (it is '9') has to be at most 2. "
        "Give another value, or take the line out to have the default.",
    ]
