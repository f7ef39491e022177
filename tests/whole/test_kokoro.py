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
from tests.support.commands import REPOSITORY, run_podcast
from tests.support.listening import transcribe_file, word_errors, words
from tests.support.loopback_hub import running_hub

_MISHEARD = 0
_SAME_NAME = {"eduard": "edouard"}  # said alike


@pytest.mark.slow
@pytest.mark.speech
def test_readmes_commands_make_a_quickstart_that_is_understood(
    tmp_path: Path, kokoro_weights: Path, whisper: Path
) -> None:
    """Fetched, rendered, and heard take by take without an error."""
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
    settings = Settings(output=home / "output", voices=(bundled_voices(),), kokoro=str(kokoro_weights))
    job = open_job(home / "manifests" / "quickstart.yaml", settings, engine="kokoro")
    errors = {}
    for take in job.takes:
        said = words(take.chunk.text)
        recognized = words(transcribe_file(whisper, job.workspace.takes / f"{take.key}.flac"))
        recognized = [_SAME_NAME.get(word, word) for word in recognized]
        errors[" ".join(said), " ".join(recognized)] = word_errors(said, recognized)
    assert sum(errors.values()) <= _MISHEARD, {texts: count for texts, count in errors.items() if count}


def test_the_quickstart_to_listen_to_is_small() -> None:
    """At most 500 kB, and README leads to it."""
    file = REPOSITORY / "docs" / "media" / "quickstart-kokoro.mp3"
    assert 100_000 < file.stat().st_size <= 500_000
    assert f"({file.relative_to(REPOSITORY)})" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
