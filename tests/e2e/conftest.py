"""Two real clusters for the tests: created with `lab up`, deleted with `lab down`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.base import wait
from lab.base.names import STACKS
from lab.base.wait import NotYet

LAB = (sys.executable, "-m", "lab")
NAME = "e2e"
PORTS = {"east": 27081, "west": 27080}
STAGE_PORT = 27465


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lab")
    group.addoption("--stack", default="auto", choices=("auto", *STACKS), help="which stack the lab is built as")
    group.addoption("--keep-lab", action="store_true", help="leave the tests' lab up at the end")
    group.addoption("--pictures", type=Path, metavar="FOLDER", help="write the README's animation of the stage there")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """The `lab` command with its own state and its own lab.toml."""

    folder: Path
    name: str
    toml: str
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(f'name = "{self.name}"\n{self.toml}')

    @property
    def file(self) -> Path:
        return self.folder / "lab.toml"

    @property
    def environment(self) -> dict[str, str]:
        own = {"LAB_CONFIG": str(self.file), "LAB_STATE_DIR": str(self.folder / "state"), "COLUMNS": "120"}
        return {**os.environ, **own, **self.env}

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start a verb and return at once."""
        return subprocess.Popen(
            [*LAB, *args],
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *args: str, exit_code: int | None = 0) -> str:
        """Run a verb to its end and return what it printed; the exit code must be as expected, None for any."""
        done = subprocess.run(
            [*LAB, *args],
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        both = done.stdout + done.stderr
        assert exit_code is None or done.returncode == exit_code, (
            f"lab {' '.join(args)} exited with {done.returncode}:\n{both}"
        )
        return both if exit_code else done.stdout

    def json(self, *args: str, exit_code: int | None = 0) -> Any:
        """Run a verb with --json and return what it printed."""
        return json.loads(self.run(*args, "--json", exit_code=exit_code))

    def status(self) -> Any:
        """Return what `lab status` says, healthy or not."""
        return self.json("status", exit_code=None)

    def wait_healthy(self) -> None:
        """Wait until `lab status` says that everything is alive; the error has its problems."""

        def look() -> bool | NotYet:
            found = self.status()
            return found["healthy"] or NotYet("; ".join(found["problems"]))

        wait.until("status says that everything is alive", look, timeout_s=60)


@dataclass(frozen=True, kw_only=True)
class RunningLab(CommandLine):
    """A lab that is up."""

    def api(self, path: str, *, cluster: str = "west", **params: str | int) -> Any:
        """Ask a cluster's frontend through its ingress, from outside."""
        answer = requests.get(f"http://127.0.0.1:{PORTS[cluster]}{path}", params=params, timeout=30)
        assert answer.ok, f"{answer.status_code}: {answer.text}"
        return answer.json()

    @cached_property
    def stack(self) -> str:
        """Name of the stack that it was brought up with."""
        return str(self.status()["stack"])

    def identity(self, cluster: str, account: str) -> str:
        """Return the identity of a service account of the applications, as the stack's mesh writes it."""
        if self.stack == "linkerd":
            return f"{account}.test.serviceaccount.identity.linkerd.{cluster}.example"
        return f"spiffe://{cluster}.example/ns/test/sa/{account}"

    @property
    def kubeconfig(self) -> Path:
        return Path(self.run("kubeconfig").strip())


def ports(offset: int = 0) -> str:
    return "".join(f"[clusters.{name}]\ningress_port = {port + offset}\n" for name, port in PORTS.items())


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[RunningLab]:
    """The tests' lab, up. It stays up on --keep-lab; else its end is compared with what was there before.

    Its folder is the same one for each run: a lab that an earlier run left is owned by its state folder.
    """
    stack = request.config.getoption("--stack")
    folder = Path(tempfile.gettempdir()) / f"eastwest-lab-{NAME}-{os.getuid()}"
    running = RunningLab(folder=folder, name=NAME, toml=f'stack = "{stack}"\n[stage]\nport = {STAGE_PORT}\n{ports()}')
    if not request.config.getoption("--require-lab"):
        findings = json.loads(
            subprocess.run(
                [*LAB, "doctor", "--json"], env=running.environment, text=True, capture_output=True, check=False
            ).stdout
        )
        if failed := [f["name"] for f in findings if f["verdict"] == "failure"]:
            pytest.skip(f"this machine cannot run the lab: {', '.join(failed)}")
    try:
        running.run("up", "--yes")
    except AssertionError as refused:
        if "lab reset" not in str(refused):
            raise
    # A run of the tests that was cut short may have left its lab in the middle of a scenario.
    running.run("reset")
    running.run("up", "--yes")
    yield running
    if not request.config.getoption("--keep-lab"):
        running.run("down")
        assert leftovers(NAME) == []
        shutil.rmtree(folder)


def docker(*args: str) -> str:
    return subprocess.run(["docker", *args], text=True, capture_output=True, check=True).stdout


def leftovers(name: str) -> list[str]:
    """Name everything in the engine that belongs to a lab of this name."""
    nodes = docker("ps", "--all", "--format", "{{.Names}}").split()
    networks = docker("network", "ls", "--format", "{{.Name}}").split()
    return [n for n in nodes if n.startswith(f"{name}-")] + [n for n in networks if n == name]
