"""The consoles' environment and folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lab.lab import Lab
from lab.stage import consoles
from lab.stage.run import names_of


def test_a_console_has_the_users_environment_without_facts_of_the_terminal_of_the_stage(lab: Lab) -> None:
    given = {"MINE": "1", "TERM": "dumb", "COLUMNS": "80", "TERM_PROGRAM": "vscode", "LANG": "de_DE.UTF-8"}
    env = consoles.environment(lab, given)
    assert env == {
        "MINE": "1",
        "LANG": "de_DE.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LAB_LOCK_HELD_BY": f"{os.getpid()}:{lab.paths.lock}",
    }


def test_each_clusters_shell_has_the_labs_programs_and_lab_itself(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lab.paths.state.mkdir(parents=True)
    entries = ", ".join(f"{{name: {name}, context: {{cluster: {name}, user: {name}}}}}" for name in ("east", "west"))
    lab.paths.kubeconfig.write_text(f"contexts: [{entries}]\n")
    lab.paths.kubeconfig.chmod(0o600)
    environ = {"PATH": "/usr/bin", "SHELL": "/bin/sh"}
    shells = consoles.shells(lab, [tmp_path / "kubectl"], environ=environ, config=tmp_path / "lab.toml")
    assert list(shells) == ["east", "west"]
    with shells["east"]("marks") as (argv, env):
        assert argv == ("/bin/sh",)
        assert env["PATH"] == f"{tmp_path / 'kubectl'}:{Path(sys.executable).parent}:/usr/bin"
        assert (env["LAB_CLUSTER"], env["LAB_CONFIG"]) == ("east", str(tmp_path / "lab.toml"))
        assert "marks" in Path(env["ENV"]).read_text()
        assert "marks" not in str(env).replace(env["ENV"], "")
    assert not Path(env["ENV"]).exists()


def test_the_folder_is_named_as_the_users_shell_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    monkeypatch.chdir(real)
    for named, expected in ((link, link), (tmp_path, real), (tmp_path / "gone", real)):
        monkeypatch.setenv("PWD", str(named))
        assert consoles.here() == expected


def test_a_line_can_name_a_cluster_its_role_and_its_node(lab: Lab) -> None:
    assert names_of(lab) == {
        "east": "east",
        "west": "west",
        "dev-east-control-plane": "east",
        "dev-west-control-plane": "west",
    }
