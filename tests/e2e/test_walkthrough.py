"""Type the commands of the walkthrough pages, and get what the pages say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from lab import config
from lab.artifacts import ArtifactStore
from lab.base import wait
from lab.base.errors import WaitTimeout
from lab.base.paths import PROJECT, Paths
from lab.base.wait import NotYet
from lab.lab import Lab
from lab.mesh.capabilities import Capability
from lab.scenario import registry
from lab.scenario.model import CTRL_C, REFUSED, SECOND_TERMINAL
from lab.scenario.rendering import documented
from lab.stacks import STACKS
from tests.e2e.conftest import LAB, NAME, PORTS, RunningLab

_PAUSE = re.compile(r"# wait (\d+) s:")
_STEP = re.compile(r"^## \d+\. ", re.MULTILINE)
_CHECKED_S = 60.0
_STARTS_S = 60.0


@dataclass
class Terminal:
    """Two terminals of a person who follows a page, in the project's folder."""

    lab: RunningLab
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        shell = self.lab.run("shell", "west", "--", "env")
        wanted = dict(line.partition("=")[::2] for line in shell.splitlines() if "=" in line)
        return {**self.lab.environment, "PATH": wanted["PATH"], "KUBECONFIG": str(self.lab.kubeconfig)}

    def type(self, script: str) -> None:
        """Type a block of a page line by line."""
        kind = ""
        environment = self.environment
        for line in script.splitlines():
            if pause := _PAUSE.match(line):
                time.sleep(int(pause[1]))  # what the page tells a person to wait
            elif line.startswith(CTRL_C):
                self.end(line.removeprefix(CTRL_C))
            elif line.startswith("#"):
                kind = line
            elif kind == SECOND_TERMINAL:
                self.start(line, environment)
                kind = ""
            else:
                done = subprocess.run(
                    ["bash", "-c", line], cwd=PROJECT, env=environment, text=True, capture_output=True, check=False
                )
                printed = f"$ {line}\n{done.stdout}{done.stderr}"
                assert (done.returncode != 0) == (kind == REFUSED), printed
                kind = ""

    def start(self, line: str, environment: dict[str, str]) -> None:
        self.running[line] = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=PROJECT,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self, line: str) -> None:
        child = self.running.pop(line, None)
        if child is not None:
            os.killpg(child.pid, signal.SIGINT)
            child.wait(60)


@contextmanager
def terminals(lab: RunningLab) -> Iterator[Terminal]:
    terminal = Terminal(lab)
    try:
        yield terminal
    finally:
        for line in list(terminal.running):
            terminal.end(line)


@contextmanager
def restored(lab: RunningLab) -> Iterator[None]:
    """Undo everything if a command failed, for the next page."""
    try:
        yield
    except BaseException:
        lab.run("reset", exit_code=None)
        lab.run("up", exit_code=None)
        raise


def blocks(part: str, stack: str) -> str:
    """Return the commands of a part of a page for one stack."""
    for title in ("Both stacks", stack.title()):
        if found := re.search(rf"\*\*{title}\*\*\n\n```sh\n(.*?)\n```", part, re.DOTALL):
            return found[1]
    return ""


def of_this_lab(text: str, lab: RunningLab) -> str:
    """Replace the names of the default lab by those of this one, which its lab.toml gives it."""
    text = text.replace("~/.local/state/eastwest-lab/eastwest", str(lab.kubeconfig.parent))
    text = text.replace("eastwest-east-", f"{NAME}-east-").replace("eastwest-west-", f"{NAME}-west-")
    return text.replace("localhost:8080", f"localhost:{PORTS['west']}").replace(
        "localhost:8081", f"localhost:{PORTS['east']}"
    )


def checked(lab: RunningLab, step: str) -> str:
    """Wait until `lab check` finds the step's claims true; return the last output if it does not."""

    def probe() -> bool | NotYet:
        done = subprocess.run([*LAB, "check", step], env=lab.environment, text=True, capture_output=True, check=False)
        # 2: the step has only claims about a measurement, which a person makes with `lab load`.
        return done.returncode in {0, 2} or NotYet(f"exit code {done.returncode}:\n{done.stdout}{done.stderr}")

    try:
        wait.until(f"lab check {step}", probe, timeout_s=_CHECKED_S, interval_s=1)
    except WaitTimeout as error:
        return str(error)
    return ""


def capabilities(lab: RunningLab) -> frozenset[Capability]:
    """Return what the lab's mesh can do here: without a chart of the SMI extension, Linkerd knows no TrafficSplits."""
    spec = config.load(lab.file)
    paths = Paths(cache=Paths.of(lab.name).cache, state=lab.folder / "state" / lab.name)
    here = Lab(spec=spec, paths=paths, artifacts=ArtifactStore.of(spec, paths))
    return STACKS[lab.stack].mesh(here).capabilities


@pytest.mark.parametrize("scenario", registry.names())
def test_the_page_can_be_typed(lab: RunningLab, scenario: str) -> None:
    page = (PROJECT / "docs" / "walkthrough" / f"{scenario.replace('_', '-')}.md").read_text()
    *steps, end = _STEP.split(page)[1:]
    last, _, undo = end.partition("## How to undo")
    known = registry.registry(documented(lab.stack, registry.folder())).scenarios[scenario]
    by_title = {step.title: step for step in known.steps}
    offered, problems = capabilities(lab), []
    with terminals(lab) as terminal, restored(lab):
        for part in [*steps, last]:
            title = part.splitlines()[0]
            if "lab run --full" in part:
                continue
            if missing := by_title[title].requires - offered:
                print(f"{title}: not typed, as `lab run` skips it here: {sorted(missing)}")
                continue
            terminal.type(of_this_lab(blocks(part, lab.stack), lab))
            if problem := checked(lab, f"{scenario}/{by_title[title].name}"):
                problems.append(problem)
        terminal.type(of_this_lab(blocks(undo, lab.stack), lab))
    assert problems == []
    assert lab.status()["changes"] == []
