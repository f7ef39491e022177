"""One line, spoken."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import run_podcast


def test_say_speaks_a_line(tmp_path: Path) -> None:
    """The same bytes every time; a bad ending or text is refused."""
    for name in ("x.wav", "y.wav"):
        assert run_podcast("say", "Hello there.", "--out", name, "--voice", "ben", cwd=tmp_path).returncode == 0
    assert (tmp_path / "x.wav").read_bytes() == (tmp_path / "y.wav").read_bytes()
    for arguments in (
        ["Hi.", "--out", "x.mp3"],
        ["...", "--out", "z.wav"],
        ["Hi.", "--out", "z.wav", "--engine", "dia"],
    ):
        result = run_podcast("say", *arguments, cwd=tmp_path)
        assert result.returncode in (1, 2)
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "z.wav").exists()
