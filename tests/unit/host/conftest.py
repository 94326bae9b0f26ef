"""A fake machine: a folder for /, a `run` with recorded commands, and a fake Docker Engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import CommandError
from lab.base.process import Completed
from lab.host.doctor import HostProbes
from lab.host.doctor.snapshot import Listener
from lab.host.machine import Machine
from lab.tools.docker import Container, Docker, Engine, EngineDownError, Network
from lab.tools.docker_records import PublishedPort

Answer = str | int | BaseException | Callable[[Sequence[str]], object]


@dataclass
class FakeRun:
    """`process.run` from a table: the longest matching beginning of a command line gives its output or status."""

    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[str | Path], *, check: bool = True, **_: Any) -> Completed:
        words = tuple(str(word) for word in argv)
        line = " ".join(words)
        self.calls.append(line)
        known = [key for key in self.answers if line.startswith(key)]
        assert known, f"unexpected command: {line}"
        answer = self.answers[max(known, key=len)]
        if callable(answer):
            answer = answer(words) or ""  # type: ignore[assignment]
        if isinstance(answer, BaseException):
            raise answer
        status, output = (answer, "") if isinstance(answer, int) else (0, str(answer))
        if status and check:
            raise CommandError(words, returncode=status, stderr=f"E: {line} failed")
        return Completed(argv=words, returncode=status, stdout=output, stderr="", duration_s=0.0)


ENGINE = Engine(
    version="20.10.24",
    operating_system="Debian GNU/Linux 12 (bookworm)",
    architecture="x86_64",
    root_dir=Path("/var/lib/docker"),
    storage_driver="overlay2",
    cgroup_driver="cgroupfs",
    memory_bytes=24 * 2**30,
    cpus=2,
    default_runtime="runc",
    security_options=(),
    ipv4_forwarding=True,
    warnings=(),
    name="laptop",
    kernel="6.1.0",
    cgroup_version="2",
    controllers=frozenset({"cpu", "cpuset", "memory", "pids"}),
)


@dataclass(frozen=True)
class FakeDocker(Docker):
    """An engine that is what the test says; `down` counts the questions that it leaves unanswered."""

    engine: Engine = ENGINE
    has_containers: Sequence[Container] = ()
    has_networks: Sequence[Network] = ()
    refuses: list[str] = field(default_factory=list)
    down: list[BaseException] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    at: str = "unix:///var/run/docker.sock"
    runtime: list[str] = field(default_factory=list)
    parts: Sequence[str] = ("Engine", "containerd", "runc")
    sees: str | BaseException = ""
    looked: list[str] = field(default_factory=list)

    def components(self) -> tuple[str, ...]:
        return tuple(self.parts)

    def run_once(self, image: str, argv: Sequence[str], **how: Any) -> str:
        assert how["privileged"]
        self.looked.append(image)
        if isinstance(self.sees, BaseException):
            raise self.sees
        return self.sees

    def info(self) -> Engine:
        if self.down:
            raise self.down.pop(0)
        return replace(self.engine, default_runtime=self.runtime[-1]) if self.runtime else self.engine

    def endpoint(self) -> str:
        return self.at

    def containers(self, labels: Mapping[str, str | None] | None = None) -> list[Container]:
        return [] if labels else list(self.has_containers)

    def networks(self, labels: Mapping[str, str | None] | None = None) -> list[Network]:
        return list(self.has_networks)

    def read_file(self, name: str, path: str, *, timeout_s: float = 0) -> str | None:
        return None

    def import_rootfs(self, tar: Path, tag: str, *, timeout_s: float = 0) -> str:
        self.made.append(tag)
        return "sha256:0"

    def remove_image(self, reference: str) -> bool:
        self.removed.append(reference)
        return True

    def run_container(self, image: str, argv: Sequence[str], **how: Any) -> str:
        assert how["privileged"]
        if self.refuses:
            raise CommandError(["docker"], returncode=125, stderr=self.refuses.pop(0))
        return "c0ffee"

    def execute(self, name: str, argv: Sequence[str], **how: Any) -> Completed:
        assert how["privileged"]
        self.looked.append(name)
        return Completed(argv=tuple(argv), returncode=0, stdout=str(self.sees), stderr="", duration_s=0.0)


@dataclass(frozen=True)
class FakeProbes(HostProbes):
    """A machine with room, whose ports are free but for those that are named."""

    ends: Sequence[Listener] = ()
    available: int = 20 * 2**30
    free: Mapping[str, int] = field(default_factory=dict)
    ifs: Sequence[tuple[str, IPv4Interface]] = ()
    silent: Sequence[str] = ()
    names: Sequence[str] = ("127.0.0.1", "::1")
    links: Mapping[str, int] = field(default_factory=dict)
    read_only: Sequence[str] = ()

    def can_write(self, folder: Path) -> bool:
        return not str(folder).startswith(tuple(self.read_only))

    def localhost(self) -> Sequence[str]:
        return self.names

    def mtus(self) -> Mapping[str, int]:
        return self.links

    def listeners(self) -> Iterator[Listener]:
        yield from self.ends

    def port_is_free(self, ip: str, port: int) -> bool:
        return port not in {end.port for end in self.ends if (":" in end.ip) is (":" in ip)}

    def memory_available_bytes(self) -> int:
        return self.available

    def disk(self, folder: Path) -> tuple[int, int]:
        for number, (top, free) in enumerate(self.free.items()):
            if str(folder).startswith(top):
                return number, free
        return 99, 100 * 2**30

    def interfaces(self) -> Sequence[tuple[str, IPv4Interface]]:
        return self.ifs

    def reaches(self, url: str) -> bool:
        return not any(part in url for part in self.silent)


@dataclass
class Host:
    """A machine under construction."""

    root: Path
    run: FakeRun = field(default_factory=FakeRun)

    def file(self, path: str, text: str = "", *, mode: int = 0o644) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def program(self, path: str) -> Path:
        return self.file(path, "#!/bin/sh\n", mode=0o755)

    def engine_process(self, *flags: str, cap_bnd: str = "000001ffffffffff", pid: int = 77) -> None:
        self.file("/run/docker.pid", f"{pid}")
        self.file(f"/proc/{pid}/comm", "dockerd\n")
        self.file(f"/proc/{pid}/cmdline", "\0".join(["dockerd", *flags, ""]))
        self.file(f"/proc/{pid}/status", f"Name:\tdockerd\nCapBnd:\t{cap_bnd}\n")
        self.file("/proc/sys/kernel/cap_last_cap", "40\n")

    def machine(self, *, uid: int = 0, environ: Mapping[str, str] | None = None, **rest: Any) -> Machine:
        names = {"system": "Linux", "architecture": "x86_64", **rest}
        return Machine(root=self.root, run=self.run, uid=uid, environ={"PATH": "/usr/bin", **(environ or {})}, **names)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(root=tmp_path)
    host.file("/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
    return host


@pytest.fixture
def fake_docker() -> type[FakeDocker]:
    return FakeDocker


@pytest.fixture
def fake_probes() -> type[FakeProbes]:
    return FakeProbes


@pytest.fixture
def engine() -> Engine:
    return ENGINE


@pytest.fixture
def nobody() -> EngineDownError:
    return EngineDownError("no container engine answers at unix:///var/run/docker.sock", next="lab doctor --fix")


@pytest.fixture
def node() -> Container:
    """East's node, on the lab's network."""
    return Container(
        id="e" * 64,
        name="eastwest-east-control-plane",
        image="eastwest-lab/node:1",
        status="running",
        exit_code=0,
        pid=4711,
        labels={"io.x-k8s.kind.cluster": "eastwest-east"},
        networks={"eastwest": IPv4Address("10.89.0.2")},
        ports=(PublishedPort(host_ip="127.0.0.1", host_port=8081, port=80),),
        restart_policy="unless-stopped",
        runtime="runc",
    )


@pytest.fixture
def network() -> Network:
    """The lab's network."""
    return Network(
        id="n" * 64,
        name="eastwest",
        driver="bridge",
        labels={
            "app.kubernetes.io/managed-by": "eastwest-lab",
            "eastwest.lab/lab": "eastwest",
            "eastwest.lab/lab-id": "1",
        },
        subnets=(IPv4Network("10.89.0.0/24"),),
        containers={"eastwest-east-control-plane": IPv4Address("10.89.0.2")},
    )
