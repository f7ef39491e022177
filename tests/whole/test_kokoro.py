"""README's two commands for who has no GPU, with a hub on loopback, and a recogniser in place of the listener."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from pipeline.engines import KOKORO_VOICES
from pipeline.engines.kokoro.weights import DEFAULT_KOKORO
from pipeline.jobs.job import open_job
from pipeline.settings import Settings, bundled_voices
from tests.conftest import SUMMARIES
from tests.support.commands import REPOSITORY, run_podcast
from tests.support.listening import misheard, transcribe_file, words
from tests.support.loopback_hub import running_hub


@pytest.mark.slow
@pytest.mark.speech
def test_readmes_commands_make_a_quickstart_that_is_understood(
    tmp_path: Path, kokoro_weights: Path, whisper: Path, request: pytest.FixtureRequest
) -> None:
    """Fetched, rendered, and the finished MP3 heard without an error."""
    (block,) = re.findall(
        r"```bash\n([^`]*weights fetch kokoro\n[^`]*)```", (REPOSITORY / "README.md").read_text(encoding="utf-8")
    )
    pushed = tmp_path / "pushed"
    (pushed / "onnx").mkdir(parents=True)
    (pushed / "voices").mkdir()
    shutil.copy(kokoro_weights / "model.onnx", pushed / "onnx" / "model_quantized.onnx")
    for name in KOKORO_VOICES:
        shutil.copy(kokoro_weights / "voices" / f"{name}.bin", pushed / "voices")
    home = tmp_path / "home"
    shutil.copytree(REPOSITORY / "manifests", home / "manifests")
    with running_hub() as hub:
        hub.add(DEFAULT_KOKORO, "1" * 40, pushed)
        env = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url, "XDG_DATA_HOME": str(tmp_path / "data")}
        for command in re.findall(r"\.venv/bin/podcast (.*)", block):
            result = run_podcast(*shlex.split(command), cwd=home, env=env | {"NO_PROXY": "127.0.0.1,localhost"})
            assert result.returncode == 0, result.stderr
    wrong, figures = _misheard(home, whisper)
    request.config.stash.setdefault(SUMMARIES, []).append(f"The quickstart by kokoro, misheard: {figures}")
    assert not wrong


@pytest.mark.slow
@pytest.mark.speech
def test_the_draft_voice_is_understood_worse(tmp_path: Path, whisper: Path, request: pytest.FixtureRequest) -> None:
    """So that README's figure of it is known, and a recogniser that understands all would be noticed."""
    shutil.copytree(REPOSITORY / "manifests", tmp_path / "manifests")
    result = run_podcast("render", "manifests/quickstart.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    wrong, figures = _misheard(tmp_path, whisper)
    request.config.stash.setdefault(SUMMARIES, []).append(f"The quickstart by draft, misheard: {figures}")
    assert len(wrong) > 20


def _misheard(home: Path, whisper: Path) -> tuple[list[str], str]:
    """The words of the finished MP3 in a folder with manifests that are misheard, and how many there are."""
    settings = Settings(output=home / "output", voices=(bundled_voices(),))
    said = words(" ".join(take.chunk.text for take in open_job(home / "manifests" / "quickstart.yaml", settings).takes))
    (file,) = (home / "output" / "quickstart").rglob("*.mp3")
    wrong = [said[index] for index in misheard(said, words(transcribe_file(whisper, file)))]
    return wrong, f"words {len(wrong)}/{len(said)} ({100 * len(wrong) / len(said):.1f} %)"


def test_the_quickstart_to_listen_to_is_small() -> None:
    """At most 500 kB, and README leads to it."""
    file = REPOSITORY / "docs" / "media" / "quickstart-kokoro.mp3"
    assert 100_000 < file.stat().st_size <= 500_000
    assert f"({file.relative_to(REPOSITORY)})" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
