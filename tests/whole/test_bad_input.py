"""Bad input: refused before anything starts, in words that lead to the repair."""

from __future__ import annotations

import json
import os
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.support.commands import MakeJob, run_podcast
from tests.support.wrong_requests import HEAD, MESSAGE, SPEECH, WRONG, Answer, Podcast, Wrong, assert_refused, png


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_request_is_refused(case: Wrong, podcast: Podcast, tmp_path: Path) -> None:
    """A wrong manifest or script ends with exit code 2, names file and line, and starts nothing."""
    for name, content in (("job.yaml", case.manifest), ("job.md", case.script)):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path.parent / "job.md").write_text(SPEECH)  # what ../job.md would find
    (tmp_path.parent / "cover.png").write_bytes(png())

    assert_refused(podcast("render", "job.yaml", *case.arguments), tmp_path, *case.expected)
    assert_refused(podcast("plan", "job.yaml", *case.arguments), tmp_path, *case.expected)


@pytest.mark.parametrize(
    ("script", "place", "words"),
    [
        ('{"turns": [{"text": "Hello."}, {"text": "Bye.", "voice": "adda"}]}', "job.yml:1", 'Did you mean "ada"?'),
        ("turns:\n- text: Hello.\n- text: Bye.\n  voice: nobody\n", "job.yml:3", 'no voice "nobody"'),
        ("turns:\n- text: Hello.\n  spaeker: Ann\n", "job.yml:3", 'Did you mean "speaker"?'),
        ("turns:\n- speaker: Ann\n", "job.yml:2", "the turn has no text"),
        ("turns:\n- text: Hello.\n  pause_s: long\n", "job.yml:3", '"pause_s" has to be a number'),
        ("turns: Hello.\n", "job.yml:1", "no list of turns"),
        ("chapters:\n- title: One\n  turns: []\n", "job.yml:2", 'the chapter "One" has nothing to say'),
        ("chapters:\n- title: One\n", "job.yml:2", "no list of turns"),
        ("turns:\n- text: Hello.\n  voice: &a ada\n- text: Bye.\n  voice: *a\n", "job.yml:5", "an alias"),
        ("", "job.yml:1", "no list of chapters"),
        ("turns:\n\t- text: Hello.\n", "job.yml:2", "a tab is used"),
    ],
)
def test_a_wrong_yaml_script_is_refused(script: str, place: str, words: str, podcast: Podcast, tmp_path: Path) -> None:
    """A YAML script with an unknown voice, key or shape ends with exit code 2 at the line of the turn."""
    (tmp_path / "job.yaml").write_text("title: A test\nscript: job.yml\n")
    (tmp_path / "job.yml").write_text(script)

    assert_refused(podcast("render", "job.yaml"), tmp_path, (place, words))


def test_a_cover_that_is_cut_off_is_refused(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A truncated, a garbled and an oversized picture are each refused at the manifest's line."""
    whole = png(200, 200)
    jpeg = BytesIO()
    Image.effect_noise((200, 200), 80).save(jpeg, format="JPEG")
    huge = bytearray(png(1, 1))
    huge[16:24] = (60_000).to_bytes(4) + (60_000).to_bytes(4)
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4)
    pictures = {
        "cut.png": whole[: len(whole) // 2],
        "head.png": whole[:8],
        "cut.jpg": jpeg.getvalue()[: len(jpeg.getvalue()) // 2],
        "garbled.png": whole[:100] + bytes(len(whole) - 100),
        "gif.png": b"GIF89a" + bytes(100),
        "huge.png": bytes(huge),
    }
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
        manifest = make_job(SPEECH, cover=name)
        answer = podcast("render", manifest.name)
        assert_refused(answer, tmp_path, ("job.yaml:1", "the cover"))
        assert len(answer.err.splitlines()) == 1, f"{name}: {answer.err}"


def test_a_symlink_does_not_lead_outside_unless_allowed(podcast: Podcast, tmp_path: Path) -> None:
    """A script reached through ../, an absolute path or a symlink renders only with --allow-outside."""
    elsewhere = tmp_path / "elsewhere"
    home = tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    (elsewhere / "job.md").write_text(SPEECH)
    (elsewhere / "cover.png").write_bytes(png())
    (home / "link.md").symlink_to(elsewhere / "job.md")
    (home / "folder").symlink_to(elsewhere, target_is_directory=True)
    for name in ("link.md", "folder/job.md", "../elsewhere/job.md", str(elsewhere / "job.md")):
        manifest = home / "job.yaml"
        manifest.write_text(f"title: A test\nscript: {name}\ncover: folder/cover.png\n")

        refused = podcast("render", "home/job.yaml")
        outside = "outside the manifest's folder"
        assert_refused(refused, tmp_path, ("home/job.yaml:2", outside), ("home/job.yaml:3", outside))

        allowed = podcast("plan", "home/job.yaml", "--allow-outside")
        assert allowed.code == 0, allowed.err
    done = podcast("render", "home/job.yaml", "--allow-outside", "--engine", "tone", "--json")
    assert (done.code, done.report["status"]) == (0, "done")


@pytest.mark.parametrize("link", ["voices", "voices/mine", "voices/mine/voice.yaml"])
def test_a_voice_outside_the_folder_is_taken_only_if_allowed(link: str, podcast: Podcast, tmp_path: Path) -> None:
    """Wherever the link stands that leads to it."""
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    (elsewhere / "voices/mine").mkdir(parents=True)
    (elsewhere / "voices/mine/voice.yaml").write_text("description: Mine\nconsent: mine\n")
    (home / link).parent.mkdir(parents=True)
    (home / link).symlink_to(elsewhere / link)
    (home / "job.md").write_text(SPEECH)
    (home / "job.yaml").write_text(f"{HEAD}narrator: mine\n")
    refused = podcast("render", "home/job.yaml")
    assert_refused(refused, tmp_path, ("home/voices/mine", "the voice is outside the manifest's folder."))
    assert podcast("plan", "home/job.yaml", "--allow-outside").code == 0


@pytest.mark.parametrize("name", ["job.yaml", "job.md", "cover.png", "voices/mine/voice.yaml", "voices/mine/mine.wav"])
def test_a_pipe_in_place_of_a_file_is_refused(name: str, podcast: Podcast, tmp_path: Path) -> None:
    """Nobody writes into it, and nobody waits."""
    (tmp_path / "voices/mine").mkdir(parents=True)
    (tmp_path / "voices/mine/voice.yaml").write_text(
        "description: Mine\nconsent: mine\nprompt: mine.wav\ntranscript: Mine.\n"
    )
    (tmp_path / "voices/mine/mine.wav").touch()
    (tmp_path / "cover.png").write_bytes(png())
    (tmp_path / "job.md").write_text(SPEECH)
    (tmp_path / "job.yaml").write_text(f"{HEAD}cover: cover.png\n")
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    answer = podcast("render", "job.yaml")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("field", ["title", "author", "cover", "script", "cast"])
@pytest.mark.parametrize("escape", ["\\0", "\\e[31m", "\\a"])
def test_control_characters_are_refused(field: str, escape: str, podcast: Podcast, tmp_path: Path) -> None:
    """They would be in tags and names of files, and on the terminal."""
    (tmp_path / "job.md").write_text(SPEECH)
    values = {"title": "A test", "script": "job.md"} | {field: f"a{escape}b"}
    lines = [f'{key}: {{"{value}": ada}}' if key == "cast" else f'{key}: "{value}"' for key, value in values.items()]
    (tmp_path / "job.yaml").write_text("\n".join(lines))
    refused = podcast("render", "job.yaml")
    assert_refused(
        refused, tmp_path, (f"job.yaml:{list(values).index(field) + 1}", "an escape is the control character")
    )
    assert "\x1b" not in refused.err


def test_a_symlink_inside_the_folder_is_no_problem(podcast: Podcast, tmp_path: Path) -> None:
    """A symlink that stays in the manifest's folder needs no permission, and one that loops is refused."""
    (tmp_path / "real.md").write_text(SPEECH)
    (tmp_path / "job.md").symlink_to("real.md")
    (tmp_path / "job.yaml").write_text(HEAD)
    assert podcast("plan", "job.yaml").code == 0

    (tmp_path / "loop.md").symlink_to("loop.md")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "job.yaml").write_text("title: A test\nscript: loop.md\n")
    assert_refused(podcast("plan", "job.yaml"), tmp_path)
    (tmp_path / "job.yaml").write_text(f"{HEAD}cover: loop.png\n")
    assert_refused(podcast("plan", "job.yaml"), tmp_path, ("job.yaml:3", ""))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a book.pdf", "Make text of it, for example: pdftotext -layout 'a book'.pdf 'a book'.txt"),
        ("book.MOBI", "Make an EPUB of it, for example: ebook-convert book.MOBI book.epub (Calibre)"),
        ("book.fb2.zip", 'a ".zip" file cannot be read. Unpack it, and name the file in it.'),
        ("book.djvu", "Make text of it, for example: djvutxt book.djvu book.txt"),
        ("book.doc", "Make a DOCX of it, for example: soffice --convert-to docx book.doc"),
    ],
)
def test_a_book_that_nobody_can_read_tells_how_to_get_one(
    podcast: Podcast, tmp_path: Path, name: str, hint: str
) -> None:
    """Given alone, or named in a manifest."""
    (tmp_path / name).write_bytes(bytes(range(256)))
    (tmp_path / "job.yaml").write_text(f"title: A test\nscript: {name}\n")
    for command in ("render", "plan", "check", "new"):
        assert_refused(podcast(command, name), tmp_path, (name, hint))
    assert_refused(podcast("render", "job.yaml"), tmp_path, (name, hint))


def test_nobody_is_guessed_to_have_meant_another_name(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """Because the endings are alike."""
    make_job(SPEECH, name="t9")
    assert_refused(podcast("render", "nothere.yaml"), tmp_path, ("nothere.yaml", "Known: t9.yaml."))
    assert_refused(podcast("render", "t8.yaml"), tmp_path, ("t8.yaml", "t9.yaml"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no files from anybody")
def test_a_folder_that_takes_no_files_is_not_called_full(podcast: Podcast, make_job: MakeJob) -> None:
    """Room is not what is lacking."""
    make_job(SPEECH)
    answer = podcast("render", "job.yaml", "--out", "/proc/x", "--engine", "tone")
    assert answer.code == 1
    assert "0 kB" not in answer.err
    assert answer.err.startswith("/proc/x/job: ")
    assert "Traceback" not in answer.err


def test_a_manifest_that_is_not_there(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A manifest that is missing, is a folder, or hangs under a file is named with what to do."""
    make_job(SPEECH)
    (tmp_path / "folder.yaml").mkdir()

    assert_refused(podcast("render", "jbo.yaml"), tmp_path, ("jbo.yaml", 'Did you mean "job.yaml"?'))
    assert_refused(podcast("render", "no/job.yaml"), tmp_path, ("no/job.yaml", "no such file"))
    assert_refused(podcast("render", "folder.yaml"), tmp_path, ("folder.yaml", "this is a folder"))
    assert_refused(podcast("render", "job.yaml/x"), tmp_path, ("job.yaml/x", ""))
    assert_refused(podcast("render", f"{'x' * 300}.yaml"), tmp_path, (f"{'x' * 300}.yaml", ""))
    every = podcast("render", "jbo.yaml", "folder.yaml")
    assert_refused(every, tmp_path, ("jbo.yaml", "no such file"), ("folder.yaml", "this is a folder"))


def test_all_problems_are_told_at_once(podcast: Podcast, tmp_path: Path) -> None:
    """A manifest with many faults, in itself and in its scripts, is told of every one of them in one run."""
    (tmp_path / "job.yaml").write_text(
        "title: A test\n"
        "script: [one.md, tow.md, three.yml]\n"
        "langauge: en\n"
        "cast:\n"
        "  Ann: adda\n"
        "  Bob: bne\n"
        "narrator: nobody\n"
        "seed: many\n"
        "year: soon\n"
        "cover: one.md\n"
        "deliver: [podcats]\n"
    )
    (tmp_path / "one.md").write_text("# One\n\nHello.\n\n# Silent\n\n# Last\n\nBye.\n")
    (tmp_path / "two.md").write_text(SPEECH)
    (tmp_path / "three.yml").write_text("turns:\n- speaker: Ann\n- text: x\n  pause_s: long\n")

    answer = podcast("render", "job.yaml")

    expected = [
        ("job.yaml:3", "language"),
        ("job.yaml:5", '"ada"'),
        ("job.yaml:6", '"ben"'),
        ("job.yaml:7", '"nobody"'),
        ("job.yaml:8", "'many'"),
        ("job.yaml:9", "'soon'"),
        ("job.yaml:10", "neither JPEG nor PNG"),
        ("job.yaml:11", '"podcast"'),
        ("one.md:5", '"Silent"'),
        ("job.yaml:2", 'Did you mean "two.md"?'),
        ("three.yml:2", "no text"),
        ("three.yml:4", "pause_s"),
    ]
    for place, words in expected:
        lines = [line for line in answer.err.splitlines() if line.startswith(f"{place}: ") and words in line]
        assert len(lines) == 1, (place, words, answer.err)
    assert_refused(answer, tmp_path)


def test_a_missing_title_does_not_hide_what_is_wrong_in_the_script(podcast: Podcast, tmp_path: Path) -> None:
    """Where the script stands on the first line, its faults are told along with the missing title."""
    (tmp_path / "job.yaml").write_text("script: job.md\n")
    (tmp_path / "job.md").write_text("# Silent\n")

    answer = podcast("render", "job.yaml")

    assert_refused(answer, tmp_path, ("job.yaml:1", 'no "title"'), ("job.md:1", "nothing to say"))


def test_a_fault_on_the_same_line_does_not_hide_what_is_wrong_in_the_script(
    podcast: Podcast, tmp_path: Path, make_job: MakeJob
) -> None:
    """In a manifest that is JSON on one line the script's faults are told along with the manifest's."""
    make_job("# Silent\n", seed="many")

    assert_refused(podcast("render", "job.yaml"), tmp_path, ("job.yaml:1", "'many'"), ("job.md:1", "nothing to say"))


def test_a_broken_voice_is_told_of(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A voice beside the manifest with faults in it is refused at its own lines."""
    make_job(SPEECH)
    folder = tmp_path / "voices" / "mine"
    folder.mkdir(parents=True)
    (folder / "voice.yaml").write_text("description: Mine\nconsent: I agree.\ndraft: {rate_wpm: fast}\nprmpt: x\n")
    place = "voices/mine/voice.yaml"
    assert_refused(podcast("render", "job.yaml"), tmp_path, (f"{place}:3", "'fast'"), (f"{place}:4", '"prompt"'))

    (folder / "voice.yaml").write_text("description: Mine\nconsent: I agree.\nprompt: none.wav\n")
    assert_refused(podcast("render", "job.yaml"), tmp_path, (f"{place}:3", 'no file "none.wav"'))

    (folder / "voice.yaml").write_text("description: Mine\nconsent: I agree.\ndraft: {variant: f99, accent: xx}\n")
    make_job(SPEECH, narrator="mine")
    assert_refused(podcast("render", "job.yaml"), tmp_path, ("job.yaml:1", '"f99"'), ("job.yaml:1", '"xx"'))


def test_the_output_folder_cannot_be_made(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A file where a folder is needed, and a name no file system takes, end with a message and no takes."""
    make_job(SPEECH)
    (tmp_path / "file").write_text("in the way")

    for out, words in (
        ("file", "file"),
        ("file/below", "file"),
        ("/proc/nowhere", ""),
        ("x" * 300, ""),
    ):
        answer = podcast("render", "job.yaml", "--out", out, "--engine", "tone")
        assert answer.code in (1, 2), answer.err
        assert "Traceback" not in answer.err
        (line,) = answer.err.splitlines()
        assert MESSAGE.fullmatch(line), line
        assert line.startswith(out)
        assert words in line
    assert not list(tmp_path.glob("**/*.flac"))
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_in_a_files_place_is_set_aside(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """One in the place of a deliverable or of a chapter is set aside."""
    make_job(SPEECH, deliver=["podcast"])
    blocked = tmp_path / "output" / "job" / "podcast/Unknown author/A test/A test.mp3"
    blocked.mkdir(parents=True)
    assert podcast("render", "job.yaml", "--engine", "tone").code == 0
    assert blocked.is_file()
    assert blocked.with_name(blocked.name + ".damaged").is_dir()
    chapter = tmp_path / "output" / "job" / "chapters" / "01 - One.flac"
    chapter.unlink()
    chapter.mkdir()
    assert podcast("render", "job.yaml", "--engine", "tone").code == 0
    assert chapter.is_file()
    assert chapter.with_name(chapter.name + ".damaged").is_dir()


def test_a_foreign_folder_among_the_chapters_does_no_harm(podcast: Podcast, tmp_path: Path, make_job: MakeJob) -> None:
    """A folder that some file server puts among the chapters (@eaDir) does not end a render."""
    make_job(SPEECH, deliver=["podcast"])
    (tmp_path / "output" / "job" / "chapters" / "@eaDir").mkdir(parents=True)

    answer = podcast("render", "job.yaml", "--engine", "tone")

    assert answer.code == 0, answer.err


def test_two_jobs_of_one_name_do_not_mix(podcast: Podcast, tmp_path: Path) -> None:
    """One of the same title in another folder, with another script, is refused, and the first one's files stay."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "job.yaml").write_text(HEAD)
        (tmp_path / folder / "job.md").write_text(SPEECH + folder)
    assert podcast("render", "a/job.yaml", "--engine", "tone").code == 0
    before = sorted((tmp_path / "output").glob("job/takes/*"))

    answer = podcast("render", "b/job.yaml", "--engine", "tone")

    assert answer.code == 2
    assert "Add part: or another title" in answer.err
    assert sorted((tmp_path / "output").glob("job/takes/*")) == before


def test_the_real_command_refuses_as_well(tmp_path: Path, make_job: MakeJob) -> None:
    """The installed command ends with code 2, says what is wrong on stderr only, and prints no traceback."""
    make_job(SPEECH, seed="many", cast={"Ann": "adda"})
    ended = run_podcast("render", "job.yaml", "--json", cwd=tmp_path)
    assert_refused(
        Answer(ended.returncode, ended.stdout, ended.stderr),
        tmp_path,
        ("job.yaml:1", "'many'"),
        ("job.yaml:1", 'Did you mean "ada"?'),
    )
    for arguments in (
        ("render",),
        ("render", "job.yaml", "--jobs", "0"),
        ("render", "job.yaml", "--engine", "x"),
        ("x",),
    ):
        ended = run_podcast(*arguments, cwd=tmp_path)
        assert ended.returncode == 2
        assert "Usage:" in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_one_broken_manifest_does_not_stop_the_others(tmp_path: Path, make_job: MakeJob) -> None:
    """Of several manifests the sound ones are rendered, the broken one is told of, and stdout stays JSON."""
    make_job(name="first")
    make_job("# Silent\n", name="broken")
    make_job(SPEECH, name="last")

    ended = run_podcast("render", "first.yaml", "broken.yaml", "last.yaml", "--engine", "tone", "--json", cwd=tmp_path)

    assert ended.returncode == 1, ended.stderr
    assert [report["job"] for report in json.loads(ended.stdout)] == ["first", "last"]
    assert [report["status"] for report in json.loads(ended.stdout)] == ["done", "done"]
    assert 'broken.md:1: the chapter "Silent" has nothing to say.' in ended.stderr
    assert "Traceback" not in ended.stderr
    for job in ("first", "last"):
        assert len(list((tmp_path / "output" / job).glob("*/*/*/*.mp3"))) == 1
    assert not (tmp_path / "output" / "broken").exists()
