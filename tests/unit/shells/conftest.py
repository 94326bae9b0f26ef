from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.base.paths import PROJECT

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: east, cluster: {server: "https://127.0.0.1:1"}}, {name: west, cluster: {server: "https://127.0.0.1:2"}}]
users: [{name: east, user: {token: east}}, {name: west, user: {token: west}}]
contexts: [{name: east, context: {cluster: east, user: east}}, {name: west, context: {cluster: west, user: west}}]
"""
FAKE_KUBECTL = """#!/bin/sh
case "$1" in
completion) echo ': # completion' ;;
*) echo "kubectl with $KUBECONFIG" ;;
esac
"""
PROGRAM = """
import sys
from pathlib import Path
from lab.artifacts.store import ArtifactStore
from lab.clusters.kind.provider import KindProvider
KindProvider.look = lambda self, lab: {{}}  # no node is stopped; the engine is not asked
ArtifactStore.binary = lambda self, name: Path({tools!r}) / name / "bin" / name
from lab.cli.app import main
sys.argv = ["lab", *sys.argv[1:]]
main()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home folder with a file for each shell, which sets a prompt and other values for the lab's variables."""
    made = tmp_path / "home"
    (made / ".config/fish").mkdir(parents=True)
    posix = "export MINE=1 KUBECONFIG=/mine PATH=/usr/bin:/bin\nalias hello='echo hello'\n"
    (made / ".bashrc").write_text(f"{posix}PS1='mine> '\nPROMPT_COMMAND='true;'\n")
    (made / ".zshrc").write_text(f"{posix}PROMPT='mine> '\n")
    (made / ".zshenv").write_text("export FROM_ZSHENV=1\n")
    (made / ".shrc").write_text(f"{posix}PS1='mine> '\n")
    fish = "set -gx MINE 1\nset -gx KUBECONFIG /mine\nset -gx PATH /usr/bin /bin\n"
    (made / ".config/fish/config.fish").write_text(
        f'{fish}set -g fish_greeting\nfunction fish_prompt; echo -n "mine$status> "; end\n'
    )
    return made


@pytest.fixture
def lab_command(tmp_path: Path, home: Path) -> tuple[list[str], dict[str, str]]:
    """The command line of `lab` with a lab that looks as if it were up, and the user's environment."""
    folder = tmp_path / "lab"
    state = folder / "state" / "dev"
    state.mkdir(parents=True)
    (folder / "lab.toml").write_text('name = "dev"\nstack = "istio"\n')
    (state / "kubeconfig").write_text(KUBECONFIG)
    (state / "kubeconfig").chmod(0o600)
    (state / "stack").write_text("istio\n")
    for name in ("kubectl", "istioctl"):
        program = folder / "tools" / name / "bin" / name
        program.parent.mkdir(parents=True)
        program.write_text(FAKE_KUBECTL)
        program.chmod(0o755)
    # Among the lab's tools: the user's own files above set PATH without it.
    empty_engine = folder / "tools" / "istioctl" / "bin" / "docker"
    empty_engine.write_text("#!/bin/sh\n")  # lists no containers and no networks
    empty_engine.chmod(0o755)
    (folder / "program.py").write_text(PROGRAM.format(tools=str(folder / "tools")))
    env = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "PATH": f"{empty_engine.parent}:{os.defpath}:/usr/bin:/bin",
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
        "LAB_CONFIG": str(folder / "lab.toml"),
        "ENV": str(home / ".shrc"),
        "DOCKER_HOST": os.environ["DOCKER_HOST"],  # without an engine
        **{f"LAB_{name}_DIR": str(folder / name.lower()) for name in ("STATE", "CACHE", "RUNS")},
    }
    return [sys.executable, str(folder / "program.py")], env


@pytest.fixture
def shell_program() -> Callable[[str], str]:
    """Return the path of a shell, or skip the test."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"this machine has no {name}")
        return path

    return find
