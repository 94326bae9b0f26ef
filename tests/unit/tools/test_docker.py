"""The docker command: how many processes a question takes, and what a hung engine looks like."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base import wait
from lab.base.cancel import Cancelled, Token
from lab.base.concurrency import Threads
from lab.base.errors import CommandError, CommandTimeout
from lab.base.paths import Paths
from lab.base.process import Completed
from lab.base.wait import NotYet
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import NodeStatus
from lab.host.engine import EngineState, command, observe
from lab.host.machine import Machine
from lab.lab import Lab
from lab.tools.docker import Docker, EngineSilentError

RECORDED = Path(__file__).parents[2] / "contract" / "docker" / "recorded"
HUNG = """#!/bin/sh
echo $$ >> "$0.pids"
exec sleep 600
"""


@pytest.fixture
def docker_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that puts a `docker` of the test's own first on PATH."""

    def put(script: str) -> Path:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(script)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return program

    return put


@dataclass
class Engine:
    """An engine behind a fake `run`: it keeps each command, and inspects what it lists."""

    containers: dict[str, Any] = field(default_factory=dict)
    networks: dict[str, Any] = field(default_factory=dict)
    vanishing: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)

    def run(
        self, argv: Sequence[str | Path], *, timeout_s: float | None = None, check: bool = True, **_: Any
    ) -> Completed:
        words = [str(word) for word in argv][1:]
        self.commands.append(words)
        self.timeouts.append(timeout_s)
        if words[:2] == ["container", "list"]:
            return self.ended(words, "\n".join([*self.containers, *self.vanishing]))
        if words[:2] == ["network", "ls"]:
            return self.ended(words, "\n".join(self.networks))
        if words[:2] == ["network", "inspect"]:
            return self.ended(words, json.dumps([net for net in self.networks.values() if net["Name"] == words[2]]))
        assert words[0] == "inspect", f"unexpected: docker {' '.join(words)}"
        if gone := [word for word in words[1:] if word in self.vanishing]:
            self.vanishing.clear()
            assert check
            raise CommandError(words, returncode=1, stdout="[]", stderr=f"Error: No such object: {gone[0]}")
        return self.ended(words, json.dumps([(self.containers | self.networks)[ref] for ref in words[1:]]))

    def ended(self, words: Sequence[str], stdout: str) -> Completed:
        return Completed(argv=tuple(words), returncode=0, stdout=stdout, stderr="", duration_s=0)


def recorded(name: str, **changes: Any) -> dict[str, Any]:
    text = json.loads((RECORDED / f"{name}.json").read_text())
    return {**(text[0] if isinstance(text, list) else text), **changes}


def six_clusters(tmp_path: Path) -> tuple[Lab, Engine]:
    names = ["east", "west", "north", "south", "up", "down"]
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "id").write_text("1")
    spec = config.parse('name = "dev"')
    clusters = dict.fromkeys(names, spec.clusters["east"])
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state")
    lab = Lab(spec=spec.model_copy(update={"clusters": clusters}), paths=paths, artifacts=None)  # type: ignore[arg-type]
    engine = Engine()
    for number, name in enumerate(names):
        labels = {"io.x-k8s.kind.cluster": f"dev-{name}"}
        node = recorded("container-running", Id=f"{number:064x}", Name=f"/dev-{name}-control-plane")
        node["Config"] = {**node["Config"], "Labels": labels}
        node["NetworkSettings"] = {**node["NetworkSettings"], "Networks": {"dev": {"IPAddress": f"172.30.0.{number}"}}}
        engine.containers[node["Id"]] = node
    net = recorded(
        "network",
        Id="f" * 64,
        Name="dev",
        Labels={"eastwest.lab/lab": "dev", "eastwest.lab/lab-id": "1"},
        Containers={},
    )
    engine.networks[net["Id"]] = net
    return lab, engine


def test_a_look_at_six_clusters_takes_four_commands(tmp_path: Path) -> None:
    lab, engine = six_clusters(tmp_path)
    found = KindProvider(Docker(run=engine.run)).look(lab)
    assert [node.status for node in found.values()] == [NodeStatus.RUNNING] * 6
    assert found["down"].address == "172.30.0.5"
    assert len(engine.commands) == 4, engine.commands


def test_every_command_has_a_time_limit(tmp_path: Path) -> None:
    lab, engine = six_clusters(tmp_path)
    KindProvider(Docker(run=engine.run)).owned(lab)
    assert engine.timeouts
    assert None not in engine.timeouts


def test_one_that_goes_away_between_list_and_look_is_left_out(tmp_path: Path) -> None:
    _, engine = six_clusters(tmp_path)
    engine.vanishing.append("0" * 63 + "a")
    assert len(Docker(run=engine.run).containers()) == 6


def test_one_that_another_program_is_just_creating_is_waited_for(tmp_path: Path) -> None:
    _, engine = six_clusters(tmp_path)
    tries = iter(range(4))

    def run(argv: Sequence[str | Path], **rest: Any) -> Completed:
        if argv[1] == "inspect" and next(tries, None) is not None:
            engine.vanishing.append("0" * 63 + "a")
        return engine.run([*argv, *engine.vanishing], **rest)

    assert len(Docker(run=run).containers()) == 6


def test_what_never_settles_is_an_error() -> None:
    engine = Engine()

    def run(argv: Sequence[str | Path], **rest: Any) -> Completed:
        engine.vanishing = ["gone"]
        return engine.run(argv, **rest)

    with pytest.raises(CommandError, match="No such object"):
        Docker(run=run).containers()


@pytest.mark.parametrize(
    "question", [Docker.info, Docker.containers, Docker.networks, Docker.images, Docker.components]
)
def test_a_hung_engine_is_an_error_that_says_what_where_and_what_next(
    question: Callable[[Docker], object],
    docker_program: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = docker_program(HUNG)
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/hung.sock")
    began = time.monotonic()
    with pytest.raises(EngineSilentError, match=r"did not answer `docker \w+ .*` within 0.5 s") as caught:
        question(Docker(answer_s=0.5))
    assert time.monotonic() - began < 5
    assert caught.value.where == "unix:///run/hung.sock"
    assert "unset DOCKER_HOST, or correct it" in (caught.value.next or "")
    pids = [int(line) for line in Path(f"{program}.pids").read_text().split()]
    assert [pid for pid in pids if Path("/proc", str(pid)).exists()] == []


def test_a_long_command_on_a_hung_engine_names_the_engine(
    docker_program: Callable[[str], Path],
) -> None:
    docker_program(HUNG)
    with pytest.raises(EngineSilentError, match="docker info"):
        Docker(answer_s=0.3).execute("node", ["true"], timeout_s=0.3)


def test_a_long_command_on_a_healthy_engine_is_the_one_that_did_not_end(docker_program: Callable[[str], Path]) -> None:
    docker_program('#!/bin/sh\ncase "$1" in info) echo 29.0.0 ;; *) exec sleep 600 ;; esac\n')
    with pytest.raises(CommandTimeout, match="container exec"):
        Docker().execute("node", ["true"], timeout_s=0.3)


def test_a_cancelled_run_ends_a_question(docker_program: Callable[[str], Path], token: Token) -> None:
    program = docker_program(HUNG)
    with Threads(1) as threads:
        asked = threads.submit(Docker().containers)
        wait.until("the question", lambda: Path(f"{program}.pids").exists() or NotYet("none"), timeout_s=20)
        token.cancel()
        with pytest.raises(Cancelled):
            asked.result(timeout=5)


def test_the_doctor_tells_a_hung_engine_from_one_that_is_down(
    docker_program: Callable[[str], Path],
) -> None:
    docker_program(HUNG)
    state = observe(Machine(), Docker(answer_s=0.3))
    assert state is EngineState.SILENT
    assert "restart" in command(state, Machine())


@pytest.mark.parametrize(
    "words",
    [
        "Error: No such container:path: node:/etc/mark.json",
        "Error response from daemon: Could not find the file /etc/mark.json in container node",
    ],
)
def test_a_file_that_is_not_there_is_told_from_an_engine_that_fails(words: str) -> None:
    def failing(stderr: str) -> Docker:
        def run(argv: Sequence[str], **_: Any) -> Completed:
            raise CommandError(argv, returncode=1, stderr=stderr)

        return Docker(run=run)  # type: ignore[arg-type]

    assert failing(words).read_file("node", "/etc/mark.json") is None
    with pytest.raises(CommandError):
        failing("Error response from daemon: something else").read_file("node", "/etc/mark.json")
