"""The commands of what runs unattended, as they begin."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import run_podcast


def test_a_folder_that_is_not_there_is_made_only_if_asked_for(tmp_path: Path) -> None:
    """A typing error must not make an empty one, which is then watched all night."""
    refused = run_podcast("watch", "nihgt", "--once", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == "nihgt: there is no such folder. Check its name, or have it made with --create.\n"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert "file/inbox: the drop folder cannot be used" in run_podcast("watch", "file", cwd=tmp_path).stderr
    assert run_podcast("watch", "night", "--once", "--create", cwd=tmp_path).returncode == 0
    assert (tmp_path / "night/inbox").is_dir()


def test_the_inbox_is_there_before_prefect_is(tmp_path: Path) -> None:
    """Which takes a minute on a busy machine, and may refuse."""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text("active = [")
    refused = run_podcast("serve", "--watch", "night", cwd=tmp_path, env={"PREFECT_PROFILES_PATH": str(profiles)})
    assert refused.returncode == 2
    said = refused.stderr.splitlines()
    assert said[0] == "what is dropped into night/inbox will be rendered"
    assert "Prefect cannot read its settings" in said[-1]
    assert (tmp_path / "night/inbox").is_dir()


def test_what_is_no_schedule_is_one_line(tmp_path: Path) -> None:
    """And nothing is made before it is one."""
    for options, said in (
        (("--watch", "night", "--cron", "nonsense"), '--cron: "nonsense" is no schedule. Write minute, hour, day,'),
        (("--cron", "0 23 * * *"), "--cron: it says when a drop folder is rendered. Name that with --watch."),
    ):
        refused = run_podcast("serve", *options, cwd=tmp_path, env={"PREFECT_HOME": str(tmp_path / "prefect")})
        assert refused.returncode == 2
        (line,) = [line for line in refused.stderr.splitlines() if not line.startswith("loading Prefect")]
        assert line.startswith(said)
        assert not (tmp_path / "night").exists()
