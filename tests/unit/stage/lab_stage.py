"""`lab stage` as a process of its own, on a lab that looks as if it were up, with a scenario of `echo`s."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx2

from lab.base import wait
from lab.base.names import Json
from lab.base.paths import PROJECT
from lab.base.wait import NotYet
from tests.unit.shells.conftest import FAKE_KUBECTL, KUBECONFIG

PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from lab import stacks
from lab.artifacts.store import ArtifactStore
from lab.clusters.kind.provider import KindProvider
from lab.lifecycle import changes
from lab.scenario import registry
from lab.scenario.actions import Command, Start, Stop
from lab.scenario.model import Registry
from lab.scenario.observation import Observation
from lab.stage import run
from tests.unit.scenarios.kit import check, look, scenario, step

def seen(text):
    return lambda _: Observation(holds=(Path.home() / text).exists(), seen=text, evidence=())

demo = scenario(
    step("one", do=(Command("echo --context=east first"), Command("cat")) if "cat" in sys.argv[1:] else
         (Command("echo --context=east first"), Command("sh -c 'echo refused; exit 1'", refused=True)),
         undo=(Command("echo undone"),), checks=(check("one_works"),)),
    step("two", do=(Command("touch made"), Start("sh serve.sh", ready=seen("ready"))),
         undo=(Stop("sh serve.sh"), Command("rm -f made")), checks=(check("two_works", look=look({holds})),)),
)
Path.home().joinpath("serve.sh").write_text("touch ready; trap 'rm ready; exit 0' INT; while :; do sleep 0.05; done")

def known(_):
    made = Registry()
    made.add(demo)
    return made

registry.registry = known
mesh = SimpleNamespace(name="istio", capabilities=frozenset())
stacks.mesh = lambda _: mesh
changes.now = lambda *_: ()
run._add_parts = lambda *_: None  # there are no clusters to read
KindProvider.look = lambda self, lab: {{}}
ArtifactStore.binary = lambda self, name: Path({tools!r}) / name / "bin" / name
sys.argv = ["lab", *(word for word in sys.argv[1:] if word != "cat")]
from lab.cli.app import main
main()
"""


@dataclass
class LabStage:
    """The process, and what it has printed."""

    child: subprocess.Popen[str]
    state: Path
    home: Path
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def printed(self, beginning: str) -> str:
        def look() -> str | NotYet:
            for line in [*self.lines, *self.errors]:
                if line.startswith(beginning):
                    return line
            return NotYet(f"{self.lines} {self.errors}")

        return wait.until(beginning, look, timeout_s=60, interval_s=0.02)

    @property
    def url(self) -> str:
        return self.printed("stage: ").split()[1]

    @contextmanager
    def client(self) -> Iterator[httpx2.Client]:
        base, _, token = self.url.partition("/#token=")
        with self.client_of(base, token) as client:
            yield client

    @contextmanager
    def client_of(self, base: str, token: str) -> Iterator[httpx2.Client]:
        """Yield a client that has exchanged a token."""
        with httpx2.Client(
            base_url=base, headers={"origin": base}, trust_env=False, verify=False, timeout=30
        ) as client:
            assert client.post("/api/session", json={"token": token}).status_code == 204
            yield client

    def ended(self) -> int:
        code = self.child.wait(60)
        for thread in self.threads:
            thread.join(60)
        return code

    def __post_init__(self) -> None:
        self.threads = [
            threading.Thread(target=self._read, args=(stream, into), daemon=True)
            for stream, into in ((self.child.stdout, self.lines), (self.child.stderr, self.errors))
        ]
        for thread in self.threads:
            thread.start()

    def _read(self, stream: IO[str] | None, into: list[str]) -> None:
        assert stream is not None
        into.extend(line.rstrip("\n") for line in stream)  # each as it comes


@contextmanager
def lab_stage(folder: Path, *words: str, shell: str = "/bin/bash", holds: bool = True) -> Iterator[LabStage]:
    """Run `lab stage` while the block runs, and kill it afterwards."""
    state, home = folder / "state" / "dev", folder / "home"
    state.mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True)
    # Ports where nothing listens: a lab that runs on this machine is not asked for its page.
    ports = "[clusters.east]\ningress_port = 1\n[clusters.west]\ningress_port = 2\n"
    (folder / "lab.toml").write_text(f'name = "dev"\nstack = "istio"\n{ports}')
    (state / "kubeconfig").write_text(KUBECONFIG)
    (state / "kubeconfig").chmod(0o600)
    (state / "stack").write_text("istio\n")
    for name in ("kubectl", "istioctl"):
        program = folder / "tools" / name / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(FAKE_KUBECTL)
        program.chmod(0o755)
    (folder / "program.py").write_text(PROGRAM.format(tools=str(folder / "tools"), holds=holds))
    env = {
        "HOME": str(home),
        "PATH": f"{os.defpath}:/usr/bin:/bin",
        "SHELL": shell,
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "LAB_CONFIG": str(folder / "lab.toml"),
        "DOCKER_HOST": f"unix://{folder}/no-engine.sock",
        **{f"LAB_{name}_DIR": str(folder / name.lower()) for name in ("STATE", "CACHE", "RUNS")},
    }
    child = subprocess.Popen(
        [sys.executable, str(folder / "program.py"), "stage", *words],
        env=env,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield LabStage(child=child, state=state, home=home)
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def until(client: httpx2.Client, what: str, holds: object) -> Json:
    """Wait until the state is as a function says, and return it."""

    def look() -> Json | NotYet:
        state = client.get("/api/state").json()
        return state if holds(state) else NotYet(str(state.get("notes")))  # type: ignore[operator]

    return wait.until(what, look, timeout_s=60, interval_s=0.05)
