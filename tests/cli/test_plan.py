"""What a render would do, and who would speak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import yaml

from tests.support.commands import SCRIPT, MakeJob, run_podcast
from tests.support.tiny_weights import write_weights


def test_plan_says_what_and_why_and_changes_nothing(make_job: MakeJob, tmp_path: Path) -> None:
    """Before the first render, after it, and after an edit."""
    make_job()
    before = json.loads(run_podcast("plan", "job.yaml", "--json", cwd=tmp_path).stdout)
    assert before.keys() == {
        *("left_out", "replaced", "unspoken", "kept_chunks", "short_chunks"),
        *("job", "title", "audio_s", "takes", "notes", "speakers", "cast", "narrator", "chapters", "chunks"),
    }
    assert before["takes"] == {"total": 4, "render": 4, "reuse": 0}
    assert before["chunks"][0].keys() == {
        *("key", "where", "take", "approved", "chapter", "speakers", "text", "spoken", "action", "reason")
    }
    assert not (tmp_path / "output").exists()
    run_podcast("render", "job.yaml", "--engine", "tone", cwd=tmp_path)
    (tmp_path / "job.md").write_text(SCRIPT.replace("Does it not?", "Or does it not?"))
    after = json.loads(run_podcast("plan", "job.yaml", "--engine", "tone", "--json", cwd=tmp_path).stdout)
    assert after["takes"] == {"total": 4, "render": 1, "reuse": 3}
    (chunk,) = [chunk for chunk in after["chunks"] if chunk["action"] == "render"]
    assert (chunk["reason"], chunk["chapter"], chunk["speakers"]) == ("text", 2, ["Bob"])
    people = run_podcast("plan", "job.yaml", "--engine", "tone", cwd=tmp_path)
    assert "render 1" in people.stdout
    assert "text" in people.stdout


def test_plan_says_who_speaks_and_what_to_paste(make_job: MakeJob, tmp_path: Path) -> None:
    """For people and in JSON; with the lines it gives in the manifest nobody has a voice by default any more."""
    manifest = make_job(cast={"Bob": "hugo"})
    found = json.loads(run_podcast("plan", "job.yaml", "--json", cwd=tmp_path).stdout)
    ann, bob = found["speakers"]
    keys = ("name", "turns", "voice", "gender", "accent", "default")
    assert tuple(map(bob.get, keys)) == ("Bob", 3, "hugo", "male", "American", False)
    assert (ann["name"], ann["turns"], ann["gender"], ann["default"]) == ("Ann", 3, "female", True)
    assert found["cast"] == {"Ann": ann["voice"], "Bob": "hugo"}
    assert [(chapter["number"], chapter["title"]) for chapter in found["chapters"]] == [(1, "One"), (2, "Two")]
    people = run_podcast("plan", "job.yaml", cwd=tmp_path).stdout
    assert "female, " in people
    assert "1  0:" in people
    _before, _, pasted = people.partition("(in place of the narrator: and cast: that it has):\n")
    keys = yaml.safe_load(pasted.partition("\n\n")[0])
    assert keys == {"cast": found["cast"], "narrator": found["narrator"]}
    manifest.write_text(yaml.safe_dump(yaml.safe_load(manifest.read_text()) | keys))
    again = json.loads(run_podcast("plan", "job.yaml", "--json", cwd=tmp_path).stdout)
    assert [chunk["key"] for chunk in again["chunks"]] == [chunk["key"] for chunk in found["chunks"]]
    assert not any(speaker["default"] for speaker in again["speakers"])
    assert "put this into" not in run_podcast("plan", "job.yaml", cwd=tmp_path).stdout


def test_a_recording_that_is_not_cloned_is_told_of(make_job: MakeJob, tmp_path: Path) -> None:
    """By plan, in JSON too, by the report and wherever one line is spoken."""
    make_job(cast={"Ann": "mine"})
    voice = tmp_path / "voices/mine/voice.yaml"
    voice.parent.mkdir(parents=True)
    voice.write_text("description: d\nconsent: mine\nprompt: p.wav\ntranscript: Some words that take four seconds.\n")
    soundfile.write(voice.parent / "p.wav", np.sin(np.arange(200_000) / 9) * 0.2, 44_100)
    said = '"mine" is spoken by a synthetic voice: the engine draft clones no recording. The engine dia does.'
    assert f"note: job.yaml:1: {said}" in run_podcast("plan", "job.yaml", cwd=tmp_path).stderr
    (note,) = json.loads(run_podcast("plan", "job.yaml", "--json", cwd=tmp_path).stdout)["notes"]
    assert note["where"] == "job.yaml:1"
    for command in (("say", "Hello.", "--voice", "mine", "--out", "x.wav"), ("voices", "--say", "mine", "Hello.")):
        assert f"note: --engine: {said}" in run_podcast(*command, cwd=tmp_path).stderr
    report = json.loads(run_podcast("render", "job.yaml", "--json", cwd=tmp_path).stdout)
    assert said in [f"{problem['what']} {problem['next']}" for problem in report["problems"]]


def test_chunks_too_short_for_an_engine_are_counted_and_told_of(make_job: MakeJob, tmp_path: Path) -> None:
    """Those that nothing can be joined to: alone in a scene, before a written pause, beside two other speakers."""
    long = "The night is long and the road is dark, and nobody who has walked it would walk it twice. " * 3
    make_job(
        f"# One\n\n**Ann:** {long}\n\n---\n\n**Ann:** So it ends.\n\n---\n\n**Ann:** Wait. [pause 2s] {long}\n\n---\n\n"
        "**Ann:** Well now.\n\n**Bob:** Well then.\n\n**Cleo:** Well, well.\n",
        engine="dia",
    )
    env = {"PODCAST_WEIGHTS": str(write_weights(tmp_path / "weights"))}
    plan = json.loads(run_podcast("plan", "job.yaml", "--json", cwd=tmp_path, env=env).stdout)
    short = [chunk["text"] for chunk in plan["chunks"] if len(chunk["spoken"].encode()) < 80]
    assert plan["short_chunks"] == len(short) == 4
    assert short[:2] == ["So it ends.", "Wait."]
    told = (
        "4 chunks of less than 80 bytes between scenes, pauses or other speakers: the engine dia is less sure of so few"
    )
    assert told in run_podcast("plan", "job.yaml", cwd=tmp_path, env=env).stdout
    draft = json.loads(run_podcast("plan", "job.yaml", "--engine", "draft", "--json", cwd=tmp_path).stdout)
    assert (len(draft["chunks"]), draft["short_chunks"]) == (len(plan["chunks"]), 0)  # it says few words as well


def test_plan_says_that_a_render_would_refuse(make_job: MakeJob, tmp_path: Path) -> None:
    """Where it would replace what is finished of another script."""
    make_job(deliver=["flac"])
    assert run_podcast("render", "job.yaml", "--engine", "tone", cwd=tmp_path).returncode == 0
    (tmp_path / "job.md").write_text("# Another\n\nNothing of this was ever said.\n")
    refused = run_podcast("render", "job.yaml", "--engine", "tone", cwd=tmp_path).stderr.splitlines()[-1]
    assert "is finished, with a script that has no line of this one" in refused
    assert f"note: {refused}" in run_podcast("plan", "job.yaml", "--engine", "tone", cwd=tmp_path).stderr


def test_what_was_rendered_from_a_folder_above_is_told_of(tmp_path: Path) -> None:
    """Where somebody goes into the subfolder of the manifests, also by what only reads; not of another manifest."""
    (tmp_path / "manifests").mkdir()
    for name in ("job", "other"):
        (tmp_path / f"manifests/{name}.yaml").write_text("title: A test\nscript: job.md\n")
    (tmp_path / "manifests/job.md").write_text(SCRIPT)
    assert run_podcast("render", "manifests/job.yaml", "--engine", "tone", cwd=tmp_path).returncode == 0
    inside = tmp_path / "manifests"
    note = "note: output: this manifest was rendered into ../output, and nothing of that is used here. Render it from "
    assert note in run_podcast("plan", "job.yaml", cwd=inside).stderr
    assert note not in run_podcast("plan", "other.yaml", cwd=inside).stderr
    assert note not in run_podcast("plan", "job.yaml", "--out", "../output", cwd=inside).stderr
    assert note not in run_podcast("plan", "manifests/job.yaml", cwd=tmp_path).stderr
    for command in ("status", "digest", "clean"):
        said = run_podcast(command, cwd=inside).stderr
        assert "output: it is not here, and there is one in ../output. Give it with --out ../output.\n" in said
    assert not (inside / "output").exists()
    said = run_podcast("render", "job.yaml", "--engine", "tone", cwd=inside).stderr
    assert said.index(note) < said.index("A test: done")  # before the night is spent
