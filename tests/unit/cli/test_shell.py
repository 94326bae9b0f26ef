"""`lab shell`, up to the child process; `tests/unit/shells` runs real shells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.base import process
from tests.unit.cli.conftest import Command

Started = list[tuple[list[str], Mapping[str, str]]]


@pytest.fixture
def started(up: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """What the lab gave the terminal to; each ended with 130, as after Ctrl-C."""
    found: Started = []

    def foreground(argv: Sequence[Any], *, env: Mapping[str, str]) -> int:
        found.append(([str(word) for word in argv], env))
        return 130

    monkeypatch.setattr(process, "foreground", foreground)
    monkeypatch.setattr("lab.artifacts.store.ArtifactStore.binary", lambda _, name: Path("/tools") / name / name)
    names = ("east", "west")
    entries = ", ".join(f"{{name: {name}, context: {{cluster: {name}, user: {name}}}}}" for name in names)
    (up / "kubeconfig").write_text(f"contexts: [{entries}]\n")
    return found


def test_a_command_gets_the_clusters_environment(lab: Command, started: Started) -> None:
    ended = lab("shell", "west", "--", "kubectl", "get", "pods", "-n", "test")
    argv, env = started[0]
    assert argv == ["kubectl", "get", "pods", "-n", "test"]
    assert env["LAB_CLUSTER"] == "west"
    assert env["PATH"].startswith("/tools/kubectl:/tools/istioctl:")
    assert (ended.code, ended.err) == (130, "")  # Ctrl-C ended the command, not the lab


def test_lab_commands_inside_use_the_named_file(
    lab: Command, started: Started, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab("shell", "west", "--config", "lab.toml", "--", "true")
    assert started[0][1]["LAB_CONFIG"] == str(folder / "lab.toml")


def test_a_shell_that_the_lab_does_not_know_is_said(
    lab: Command, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/nu")
    ended = lab("shell", "west")
    assert started[0][0] == ["sh"]
    assert "the lab cannot set the prompt of /usr/bin/nu; this is sh" in ended.err


def test_an_unknown_cluster_starts_nothing(lab: Command, started: Started) -> None:
    ended = lab("shell", "north")
    assert (ended.code, started) == (2, [])
    assert "unknown cluster 'north'" in ended.err


def test_without_a_lab_the_next_command_is_named(lab: Command) -> None:
    ended = lab("shell", "west")
    assert (ended.code, "next:  lab up" in ended.err) == (3, True)
