"""README and docs/ are true: their tables match the code, their links lead somewhere, and their commands work.

A block of ```bash is run as it stands unless the line before it is `<!-- not run: REASON -->` with one of `REASONS`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from pipeline.cli.main import podcast
from pipeline.files import cache_folder
from pipeline.settings import Settings
from pipeline.source.manifest import Dia, Manifest, Pauses
from pipeline.source.presets import PRESETS, Preset
from tests.support.commands import REPOSITORY
from tests.support.processes import WAIT_S, free_port, until

DOCS = REPOSITORY / "docs"
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MANIFEST = (DOCS / "manifest.md").read_text(encoding="utf-8")
SETTINGS = (DOCS / "settings.md").read_text(encoding="utf-8")

REASONS = (
    "hub",  # downloads weights, or needs them
    "gpu",
    "machines",  # needs several, or a service that another one offers
    "the test itself",  # sets up what the test runs in, or runs tests
)
# Change this only when a block that cannot be run is added, or one can be run at last.
NOT_RUN = {
    "hub": 9,
    "machines": 5,
    "the test itself": 2,
}

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_UNTIL_STOPPED = re.compile(r"^podcast (serve|watch)\b(?!.*--once)", re.M)
_READY = {"serve": "serving podcast/", "watch": "watching "}
_BLOCK_S = 600.0


@dataclass(frozen=True)
class Block:
    """Commands of one page, and why they are not run; empty where they are."""

    where: str
    code: str
    reason: str

    @property
    def service(self) -> str:
        """`serve` or `watch` where the block goes on until it is stopped."""
        command = _UNTIL_STOPPED.search(self.code)
        return command[1] if command else ""


def pages() -> list[Path]:
    """README, then the pages of docs/ as its table lists them."""
    listed = re.findall(r"^\| \[\w+\]\((docs/\w+\.md)\)", README, re.MULTILINE)
    return [REPOSITORY / name for name in ("README.md", *listed)]


def blocks() -> list[Block]:
    """All commands, in the order in which they are read."""
    in_order = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match["language"] == "bash":
                line = text.count("\n", 0, match.start("code")) + 1
                where = f"{page.relative_to(REPOSITORY)}:{line}"
                in_order.append(Block(where, match["code"], match["reason"] or ""))
    return in_order


def test_every_block_that_is_not_run_says_why() -> None:
    """With a reason from the list, each as often as is known."""
    reasons = [block.reason for block in blocks() if block.reason]
    assert set(reasons) <= set(REASONS)
    assert Counter(reasons) == NOT_RUN
    for page in pages():
        text = page.read_text(encoding="utf-8")
        marked = [match for match in _BLOCK.finditer(text) if match["reason"]]
        assert text.count("<!-- not run") == len(marked), f"{page}: a mark stands right before its block"
        assert {match["language"] for match in marked} <= {"bash"}
        languages = {match["language"] for match in _BLOCK.finditer(text)}
        assert languages <= {"bash", "yaml", "markdown", "python"}, page


def test_readme_is_short_and_leads_to_every_page() -> None:
    """At most 150 lines, and each page says in its first line whom it is for."""
    assert README.count("\n") <= 150
    assert sorted(pages()[1:]) == sorted(DOCS.glob("*.md"))
    for page in pages()[1:]:
        title, blank, first = page.read_text(encoding="utf-8").split("\n")[:3]
        assert title.startswith("# "), page
        assert not blank, page
        assert first.startswith("For "), page


def test_links_lead_somewhere() -> None:
    """To files that are there, and to headings in them."""
    for page in (*pages(), REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "DECISIONS.md"):
        for link in _LINK.findall(page.read_text(encoding="utf-8")):
            name, _, heading = link.partition("#")
            if "://" in link:
                continue
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), f"{page}: {link}"
            if heading:
                titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
                assert heading in anchors, f"{page}: {link}"


def test_pictures_are_small() -> None:
    """At most 200 kB each, and each is shown somewhere."""
    shown = {
        (page.parent / link).resolve() for page in pages() for link in _LINK.findall(page.read_text(encoding="utf-8"))
    }
    pictures = [path for path in (DOCS / "media").iterdir() if path.suffix in (".png", ".jpg")]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size <= 200_000, picture
        assert picture in shown


def test_readme_and_ci_set_up_and_test_with_the_same_command() -> None:
    """CI proves what README promises."""
    command = next(line for line in README.splitlines() if "-m pytest" in line)
    assert command in (REPOSITORY / ".ci" / "run").read_text()


def test_contributing_shows_every_folder() -> None:
    """Of the package, in the order of its imports."""
    table = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Tests")[0]
    folders = {path.parent.name for path in (REPOSITORY / "pipeline").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)) == folders


def _commands(group: click.Group, path: str = "podcast") -> dict[str, click.Command]:
    commands: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            commands |= _commands(command, f"{path} {name}")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            commands[f"{path} {name}"] = command
    return commands


def test_every_command_is_listed_with_its_options() -> None:
    """And no command or option that is not there."""
    rows = dict(re.findall(r"^\| `(podcast(?: [a-z]+)+)[^`]*` \| (.*) \|$", SETTINGS, re.MULTILINE))
    commands = _commands(podcast)
    assert rows.keys() == commands.keys()
    for name, command in commands.items():
        options = {o for p in command.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")}
        assert set(re.findall(r"`(--[a-z-]+)`", rows[name])) == options - {"--help"}, name


def test_every_command_and_option_has_help() -> None:
    """As `--help` shows it."""
    for name, command in _commands(podcast).items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name not in ("voice", "engine", "seed", "language"):
                record = parameter.get_help_record(click.Context(command))
                assert record is not None
                assert record[1], f"{name} {parameter.name}"


def test_every_environment_variable_is_listed() -> None:
    """Each of the machine's settings has one."""
    listed = set(re.findall(r"`(PODCAST_\w+)`", SETTINGS))
    assert listed == {f"PODCAST_{name.upper()}" for name in Settings.model_fields}


def test_every_key_of_the_manifest_is_listed() -> None:
    """With its default where it has one."""
    table = MANIFEST.split("## How Dia speaks")[0]
    keys = {
        key for cell in re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", cell)
    }
    assert keys == set(Manifest.model_fields) | set(PRESETS)
    for name in ("kind", "language", "engine", "seed", "on_failure", "priority"):
        assert f"| `{name}` | `{Manifest.model_fields[name].default}` |" in table
    assert "`[podcast, m4b]`" in table
    assert [preset.preset for preset in Manifest.model_fields["deliver"].default] == ["podcast", "m4b"]
    assert {f"{name}: {field.default}" for name, field in Pauses.model_fields.items()} <= set(
        re.findall(r"`(\w+: [\d.]+)`", table)
    )


def test_every_field_of_a_preset_is_listed() -> None:
    """Below the presets themselves."""
    listed = set(re.findall(r"`(\w+)`", MANIFEST.split("The fields are")[1]))
    assert set(Preset.model_fields) - {"preset"} <= listed


def test_every_key_of_dia_is_listed() -> None:
    """With its default where that does not depend on the weights."""
    block = MANIFEST.split("dia:\n")[1].split("```")[0]
    lines = dict(re.findall(r"^  (?:# )?(\w+): (\S+)", block, re.MULTILINE))
    assert lines.keys() == Dia.model_fields.keys()
    for name, field in Dia.model_fields.items():
        assert field.default is None or lines[name] == str(field.default), name


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_command_of_the_docs_works(tmp_path: Path) -> None:
    """Top to bottom, literally, in one fresh copy of the checkout, by somebody who has never used it."""
    reader = _Reader(tmp_path)
    service: _Service | None = None
    with reader.server_ends():
        for block in blocks():
            if block.reason:
                continue
            if block.service:
                assert service is None, f"{block.where}: what {service} serves is not used"
                service = _Service(reader, block)
                continue
            reader.run(block)
            if service is not None:
                service.stop()
                service = None
        if service is not None:
            service.stop()


class _Reader:
    """Somebody with a home of their own, in a fresh copy of the checkout, with the environment activated."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "podcast"
        home = folder / "home"
        home.mkdir()
        kernels, compiled = home / ".cache/podcast-pipeline/kernels", cache_folder() / "kernels"
        compiled.mkdir(parents=True, exist_ok=True)
        kernels.parent.mkdir(parents=True)
        kernels.symlink_to(compiled)  # that they compile anew is tested where they are
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (REPOSITORY / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, self.folder / name)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PODCAST_", "PREFECT_", "XDG_"))
        }
        self.env: Mapping[str, str] = environment | {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "PREFECT_HOME": str(home / ".prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",  # not another's server at the usual port
        }

    def start(self, block: Block, output: Path) -> subprocess.Popen[bytes]:
        """Start a block as one job of a shell, both of its streams into `output`."""
        with output.open("wb") as stream:
            return subprocess.Popen(
                ["bash", "-e", "-o", "pipefail", "-c", block.code],
                cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                start_new_session=True,
            )  # fmt: skip

    def run(self, block: Block) -> None:
        """Run a block to its end, which is exit code 0."""
        output = self.folder.parent / "output.txt"
        process = self.start(block, output)
        try:
            code: int | str = process.wait(_BLOCK_S)
        except subprocess.TimeoutExpired:
            code = f"not ended after {_BLOCK_S:.0f} s"
        finally:
            _kill(process)
        assert code == 0, f"{block.where}: {code}\n{block.code}\n{output.read_text(errors='replace')[-5000:]}"

    @contextmanager
    def server_ends(self) -> Iterator[None]:
        """Stop the Prefect server that `podcast serve` leaves behind."""
        try:
            yield
        finally:
            prefect = Path(sys.executable).with_name("prefect")
            subprocess.run([prefect, "server", "stop"], env=self.env, capture_output=True, check=False)


class _Service:
    """A block that goes on until Ctrl-C."""

    def __init__(self, reader: _Reader, block: Block) -> None:
        self._block = block
        self._output = reader.folder.parent / "service.txt"
        self._process = reader.start(block, self._output)
        try:
            until(
                lambda: _READY[block.service] in self._last_words() or self._process.poll() is not None,
                self._last_words,
            )
            assert self._process.poll() is None, f"{self}\n{self._last_words()}"
        except BaseException:
            _kill(self._process)
            raise

    def stop(self) -> None:
        """Press Ctrl-C, which a terminal sends to the whole job."""
        try:
            assert self._process.poll() is None, f"{self} ended by itself\n{self._last_words()}"
            os.killpg(self._process.pid, signal.SIGINT)
            code = self._process.wait(WAIT_S)
            assert code in (0, 130), f"{self}: {code}\n{self._last_words()}"
        finally:
            _kill(self._process)

    def _last_words(self) -> str:
        return self._output.read_text(errors="replace")[-5000:]

    def __str__(self) -> str:
        return f"{self._block.where}: {self._block.code}"


def _kill(job: subprocess.Popen[bytes]) -> None:
    """End what is left of a job."""
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.wait()
