"""The flow's error as it is handed over, and the flow on a real Prefect server, as README describes it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import EngineError, PodcastError, Problem, RequestError, StorageError
from pipeline.workspace import job_name
from tests.support.commands import PODCAST, REPOSITORY, SCRIPT, run_podcast
from tests.support.processes import WAIT_S, until
from tests.support.served import PREFECT, Served, family, serving, write_show

texts = st.text(st.characters(codec="utf-8"))


@given(
    st.sampled_from([PodcastError, RequestError, StorageError, EngineError]),
    st.lists(st.builds(Problem, texts, texts, texts), min_size=1),
)
def test_an_error_is_read_back_as_it_was(kind: type[PodcastError], problems: list[Problem]) -> None:
    """Its kind and its problems, whatever stands in them, through JSON."""
    from pipeline.night.prefect_flow import error_of, rows_of

    found = error_of(json.loads(json.dumps(rows_of(kind(*problems)))))
    assert type(found) is kind
    assert found.problems == tuple(problems)


def test_an_error_of_the_program_is_told_as_one() -> None:
    """And is not taken for the manifest's."""
    from pipeline.night.prefect_flow import error_of, rows_of

    error = error_of(rows_of(ZeroDivisionError("oops")))
    assert type(error) is PodcastError
    assert "an error of the program, not of the manifest (ZeroDivisionError: oops)." in str(error)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "files"), [("show.yaml", 9), ("alone.md", 12)])
def test_a_deployment_run_renders_the_same_takes_as_the_command(served: Served, name: str, files: int) -> None:
    """Byte for byte, with a progress artifact and the report at the end; everything listens on loopback.

    So it does of a script without a manifest.
    """
    (served.folder / "manifests/alone.md").write_text(SCRIPT)
    stem = Path(name).stem
    result = served.prefect("deployment", "run", "podcast/render", "--param", f"manifest=manifests/{name}", "--watch")
    assert result.returncode == 0, result.stdout + result.stderr + served.said.read_text()
    report = json.loads((served.folder / f"output/{stem}/report.json").read_text())
    assert report["status"] == "done"
    assert report["takes"]["rendered"] == report["takes"]["total"] == 4
    other = run_podcast("render", f"manifests/{name}", "--out", "other", cwd=served.folder)
    assert other.returncode == 0
    hashes = [
        {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (root / stem).rglob("*")
            if path.suffix in (".flac", ".mp3", ".m4b", ".vtt", ".srt")
        }
        for root in (served.folder / "output", served.folder / "other")
    ]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == files

    artifacts = _artifacts(served)
    assert artifacts["progress"][-1] == 100.0
    assert artifacts["report"][-1] == (served.folder / f"output/{stem}/report.md").read_text()

    listening = [c for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in family(served)]
    assert listening
    assert {str(next(iter(connection.laddr))) for connection in listening} <= {"127.0.0.1", "::1"}


# `render_through` as `podcast watch` calls it, for a manifest and an output folder; prints the error's kind and text.
RENDER = """
import sys, threading
from pathlib import Path
from pipeline.errors import PodcastError
from pipeline.night.prefect_service import render_through
from pipeline.night.watcher import DropFolder
from pipeline.settings import Settings

manifest, output = map(Path, sys.argv[1:])
drops = DropFolder(Path("night"), Settings(output=output, voices=(), jobs=1), print)
try:
    render_through("podcast/render", drops, threading.Event())(manifest, manifest)
except PodcastError as error:
    print(type(error).__name__, error, sep=chr(10))
"""


@pytest.mark.slow
def test_an_error_of_a_flow_run_is_the_error_of_the_command(served: Served) -> None:
    """The same kind, by which a drop folder decides what becomes of the manifest, and the same words."""
    wrong = write_show(served.folder / "manifests", "wrong")
    wrong.write_text(wrong.read_text() + "cast: {Ann: nobody, Bob: noone}\n")
    taken = served.folder / "taken"
    taken.write_text("a file where the output should be")
    for manifest, output, kind, count in (
        (wrong, served.folder / "output", "RequestError", 2),
        (served.folder / "manifests/show.yaml", taken, "StorageError", 1),
    ):
        flow_run = served.run(Path(sys.executable), "-c", RENDER, str(manifest), str(output))
        command = run_podcast("render", manifest, "--out", output, cwd=served.folder)
        assert flow_run.stdout.splitlines() == [kind, *command.stderr.splitlines()], flow_run.stderr
        assert len(command.stderr.splitlines()) == count


def workers(served: Served) -> list[psutil.Process]:
    """The worker processes that `podcast serve` has started."""
    found = []
    for pid in family(served):
        try:
            process = psutil.Process(pid)
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_a_night_as_readme_has_it(served: Served) -> None:
    """Three manifests are dropped, a worker is killed, and there are three finished podcasts and a digest."""
    night = served.folder / "night"
    until((night / "inbox").is_dir, served.said.read_text)
    names = {"first", "second", "third"}
    for name in sorted(names):
        write_show(night / "inbox", name)
    until(lambda: list((night / "running").glob("*/*.yaml")), served.said.read_text)
    before = workers(served)
    assert before
    before[0].kill()

    until(lambda: {path.stem for path in (night / "done").glob("*/*.yaml")} == names, served.said.read_text)

    assert not list((night / "failed").iterdir())
    until(lambda: not list((night / "inbox").iterdir()), served.said.read_text)  # what came with it goes last
    for name in names:
        report = json.loads((night / f"done/{name}/{name}.report.json").read_text())
        assert report["status"] == "done"
        assert report["takes"] == {"total": 4, "rendered": 4, "reused": 0, "failed": 0}
        assert report["devices"]
        assert all(device.startswith("cpu") for device in report["devices"])
        assert len(list((served.folder / f"output/{name}/podcast").rglob("*.mp3"))) == 1
    until(lambda: len(workers(served)) == len(before), served.said.read_text)
    until(
        lambda: json.loads((served.folder / "output/digest.json").read_text())["counts"]["done"] >= 3,
        served.said.read_text,
    )
    page = (served.folder / "output/digest.html").read_text()
    assert all(name in page for name in names)
    until(lambda: "digest" in _artifacts(served), served.said.read_text)


@pytest.mark.slow
def test_what_failed_and_why_is_said_where_it_is_waited_for(served: Served) -> None:
    """And in the logs, under the job's name, without a traceback; so is what is made next."""
    (served.folder / "manifests/bad.yaml").write_text("title: Bad\nscript: gone.md\n")
    run = ("deployment", "run", "podcast/render", "--watch", "--param")
    failed = served.prefect(*run, "manifest=manifests/bad.yaml")
    assert failed.returncode == 1
    why = 'manifests/bad.yaml:2: there is no file "gone.md".'
    assert why in " ".join(failed.stdout.split())
    assert "prefect.flow-run.Failed * bad" in failed.stdout
    done = served.prefect(*run, "manifest=manifests/show.yaml")
    assert done.returncode == 0
    assert "show: done" in done.stdout
    assert "show.mp3" in done.stdout
    logs = served.folder / "output/logs"
    assert why in (logs / "flow-bad.log").read_text()
    assert "show: done" in (logs / "flow-show.log").read_text()
    assert "serving podcast/render" in (logs / "serve.log").read_text()
    said = served.said.read_text()
    assert why in said
    assert "Traceback" not in said
    assert "at capacity" not in said


@pytest.mark.slow
def test_a_deployment_is_served_once(served: Served) -> None:
    """The second would pause it for the first when it ends."""
    second = served.run(PODCAST, "serve")
    assert second.returncode == 2
    assert second.stderr.splitlines()[-1].startswith("podcast/render: it is served on this machine already. Stop that")


@pytest.mark.slow
def test_names_that_no_folder_has_everywhere(served: Served) -> None:
    """Their jobs have others, under which they are found: each is rendered once."""
    night = served.folder / "night"
    until((night / "inbox").is_dir, served.said.read_text)
    for name in ("what is it?", "long " * 40):
        write_show(night / "inbox", name)
    jobs = {job_name(path) for path in (night / "inbox").glob("*.yaml")}
    assert len(jobs) == 2
    until(lambda: jobs <= {path.name for path in (night / "done").iterdir()}, served.said.read_text)
    until(lambda: not list((night / "inbox").iterdir()), served.said.read_text)
    assert served.said.read_text().count("Beginning flow run 'what is it?'") == 1


@pytest.mark.slow
def test_a_run_may_render_a_whole_inbox(served: Served) -> None:
    """As a cron run does: what lies there is done or failed when it ends, and a failure is the run's."""
    folder = served.folder / "other"
    write_show(folder / "inbox", "fine")
    run = ("deployment", "run", "podcast/render", "--param", "inbox=other", "--watch")
    result = served.prefect(*run)
    assert result.returncode == 0, result.stdout + served.said.read_text()
    assert (folder / "done/fine/fine.report.json").is_file()
    for wrong, problem in (
        ((), "either a manifest or an inbox"),
        (("--param", "inbox=other", "--param", "at_once=0"), 'at_once: "0" is no whole number above 0.'),
    ):
        assert served.prefect("deployment", "run", "podcast/render", *wrong, "--watch").returncode == 1
        assert problem in served.said.read_text()


@pytest.mark.slow
def test_a_cron_run_renders_the_inbox_and_nothing_before_it(tmp_path: Path) -> None:
    """The schedule is the deployment's, as is what `--at-once` and `--poll` say of the folder."""
    write_show(tmp_path / "night/inbox", "show")
    with serving(tmp_path, "--watch", "night", "--cron", "* * * * *", "--at-once", "5", "--poll") as served:
        until((tmp_path / "night/done/show/show.report.json").is_file, served.said.read_text)
        assert "by the schedule * * * * *" in served.said.read_text()
        assert "watching" not in served.said.read_text()
        deployment = served.prefect("deployment", "inspect", "podcast/render").stdout
        assert all(said in deployment for said in ("* * * * *", "'at_once': 5", "'poll': True"))


@pytest.mark.slow
def test_another_command_watches_through_the_deployment_while_it_is_served(tmp_path: Path) -> None:
    """And renders by itself when nobody serves it any more, instead of waiting for ever."""
    with serving(tmp_path) as served:
        for name in ("through", "here"):
            write_show(tmp_path / "drop/inbox", name)
            watch = served.run(PODCAST, "watch", "drop", "--once")
            assert watch.returncode == 0, watch.stderr + served.said.read_text()
            assert (tmp_path / f"drop/done/{name}/{name}.report.json").is_file()
            assert ("nobody serves podcast/render at http://127.0.0.1:" in watch.stderr) == (name == "here")
            assert (f"Flow run '{name}'" in served.said.read_text()) == (name == "through")
            served.stop()


def _artifacts(served: Served) -> dict[str, list[object]]:
    """Key to the data of its artifacts, oldest first."""
    code = (
        "import asyncio, json\n"
        "from prefect.client.orchestration import get_client\n"
        "async def main():\n"
        "    async with get_client() as client:\n"
        "        found = {}\n"
        "        for a in sorted(await client.read_artifacts(), key=lambda a: a.created):\n"
        "            found.setdefault(a.key, []).append(a.data)\n"
        "        print(json.dumps(found))\n"
        "asyncio.run(main())\n"
    )
    result = subprocess.run([sys.executable, "-c", code], env=served.env, capture_output=True, text=True, check=True)
    found: dict[str, list[object]] = json.loads(result.stdout)
    return found


@pytest.mark.slow
def test_prefect_yaml_deploys_to_a_pool_of_ones_own(served: Served) -> None:
    """`prefect deploy` takes it as it ships, with its nightly schedule."""
    create = served.prefect("work-pool", "create", "--type", "process", "my-pool")
    assert create.returncode == 0, create.stderr
    deploy = subprocess.run(
        [PREFECT, "--no-prompt", "deploy", "--name", "render", "--prefect-file", str(REPOSITORY / "prefect.yaml")],
        cwd=served.folder, env=served.env, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert deploy.returncode == 0, deploy.stdout + deploy.stderr
    assert "0 23 * * *" in served.prefect("deployment", "inspect", "podcast/render").stdout
