"""Install `bounded_runc` as Docker's default runtime, so that privileged containers start without every capability.

The installation is outside the lab's Python environment and outlives it: the program `bounded-runc` and a link `real`
to the runtime that it wraps, both under PREFIX, and two keys in the engine's configuration file. `uninstall` removes
all of it.
"""

from __future__ import annotations

import os
import signal
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.base import cancel, wait
from lab.base.errors import CommandError, HostError, LabError
from lab.base.files import write_atomic
from lab.base.names import LABEL_PREFIX
from lab.base.redaction import redact
from lab.host.changes import MachineChange
from lab.host.engine import PID_FILE
from lab.host.machine import Machine
from lab.host.sandbox import bounded_runc
from lab.host.sandbox.daemon_config import DaemonConfig
from lab.tools.docker import Docker, EngineDownError
from lab.tools.docker_errors import SOCKET, chosen_by, is_own

NAME = "eastwest-lab"
PREFIX = "/usr/local/lib/eastwest-lab"
CONFIG_FILE = "/etc/docker/daemon.json"
UNDO = "lab doctor --undo"
_PROBE_LABEL = f"{LABEL_PREFIX}/probe"
_PROBE_IMAGE = "eastwest-lab/probe"


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The container runtime of this machine's Docker Engine. Only tests change the paths."""

    machine: Machine = field(default_factory=Machine)
    docker: Docker = field(default_factory=Docker)
    prefix: str = PREFIX
    pid_file: str = PID_FILE
    service: str = SOCKET
    """The address of the service that is judged and changed."""

    @property
    def pid(self) -> int | None:
        """The process id of dockerd; None if the engine runs elsewhere, as with Docker Desktop."""
        return self.machine.pid(self.pid_file, "dockerd")

    def lacking(self) -> frozenset[str]:
        """Return the capabilities that the engine cannot give to any container."""
        return bounded_runc.lacking(self.machine.read(f"/proc/{self.pid}/status")) & self._known()

    def _known(self) -> frozenset[str]:
        """Return the capabilities that this kernel knows; runc needs no others."""
        last = self.machine.read("/proc/sys/kernel/cap_last_cap").strip()
        names = bounded_runc.CAPABILITIES.split()
        return frozenset(f"CAP_{name}" for name in names[: int(last) + 1 if last.isdigit() else len(names)])

    @property
    def file(self) -> Path:
        """The installed program."""
        return self.machine.path(f"{self.prefix}/bounded-runc")

    @property
    def config(self) -> DaemonConfig:
        """The engine's configuration file."""
        words = self.machine.arguments(self.pid) if self.pid else []
        return DaemonConfig(self.machine.path(_flag(words, "--config-file") or CONFIG_FILE))

    @property
    def current(self) -> bool:
        """Whether the installed program is the one of this version of the lab."""
        try:
            return self.file.read_text(encoding="utf-8") == self._program()
        except OSError:
            return False

    @property
    def may_be_needed(self) -> bool:
        """Whether an engine that is started on this machine may fail to start privileged containers.

        The engine has the capabilities of its parent process. Docker 26 and newer leave out missing capabilities
        themselves, so only a test container shows whether the runtime is needed.
        """
        parent = "1" if self.machine.has_systemd else "self"
        return bool(bounded_runc.lacking(self.machine.read(f"/proc/{parent}/status")) & self._known())

    def change(self) -> MachineChange:
        """Plan to install the runtime; the change first tries whether it is needed."""
        return MachineChange(
            what=f"if a privileged container does not start: make {NAME} ({self.file}) the engine's default runtime",
            why="kind's nodes are privileged containers, and this machine lacks a capability that runc asks for",
            command=self.machine.as_root("lab doctor --fix"),
            undo=UNDO,
            apply=self._apply,
        )

    def _apply(self) -> str:
        if not self.lacking() or (self.docker.info().default_runtime == NAME and self.current):
            return ""
        if self.refusal() is None:
            return ""
        self.install()
        return f"default runtime of the engine: {NAME}, in {self.config.file}; undo: {UNDO}"

    def install(self) -> None:
        """Install the runtime, make it the engine's default without a restart, and verify that it works.

        Raises:
            HostError: the installation failed, or did not help; the earlier state is restored.
        """
        self._refuse_elsewhere()
        pid, config = self._local_pid(), self.config
        settings = config.read()
        if flags := [
            word for word in self.machine.arguments(pid) if word.startswith(("--default-runtime", "--add-run"))
        ]:
            # The engine refuses to start if a setting is both on its command line and in its file.
            raise HostError(
                f"the engine's command line has {flags[0]}, so its configuration file cannot set a runtime",
                next=f"move that setting to {config.file}, restart the engine, and run `lab doctor --fix`",
            )
        self._place(settings)
        config.write(
            settings
            | {"runtimes": {**settings.get("runtimes", {}), NAME: {"path": str(self.file)}}, "default-runtime": NAME}
        )
        try:
            self._reload(pid, NAME)
            if refusal := self.refusal():
                raise HostError(f"privileged containers still do not start: {refusal}", next="lab doctor")
        except LabError:
            with suppress(HostError):  # containers of an earlier installation may still use it
                self.uninstall()
            raise

    def uninstall(self) -> bool:
        """Restore the engine's former runtime and delete the installed files; return False if nothing was installed.

        Raises:
            HostError: containers still use the runtime, and could not start without it.
        """
        self._refuse_elsewhere()
        config = self.config
        settings, before = config.read(), config.read_backup()
        runtimes = dict(settings.get("runtimes", {}))
        if NAME not in runtimes and not self.file.exists():
            return False
        containers = self.docker.containers() if self.pid is not None else []
        if users := [container.name for container in containers if container.runtime == NAME]:
            raise HostError(
                f"the runtime is in use by {', '.join(users)}", next="lab down, then run the same command again"
            )
        runtimes.pop(NAME, None)
        settings.pop("runtimes", None)
        if settings.get("default-runtime") == NAME:
            del settings["default-runtime"]
            settings |= {key: before[key] for key in ("default-runtime",) if key in before}
        had_file = config.backup.exists()
        if self.pid is not None:
            # A reload keeps settings that the file no longer has: name the default first, then leave it out.
            default = settings.get("default-runtime", "runc")
            config.write(settings | {"default-runtime": default, "runtimes": runtimes})
            self._reload(self.pid, default)
        settings |= {"runtimes": runtimes} if runtimes else {}
        config.write(settings)
        if settings or had_file:
            config.backup.unlink(missing_ok=True)
        else:
            config.remove()
        for file in (self.file, self.file.with_name("real")):
            file.unlink(missing_ok=True)
        if self.file.parent.is_dir() and not any(self.file.parent.iterdir()):
            self.file.parent.rmdir()
        return True

    def refusal(self) -> str | None:
        """Start a privileged container and a command in it; return the engine's error, or None if both start.

        The lab needs no image for this: it imports an empty one and mounts the machine's own programs into the
        container. It removes both afterwards. Only for this machine's own service: another engine does not see these
        folders.
        """
        mounts = {self.machine.path(d): d for d in ("/usr", "/bin", "/lib", "/lib64") if self.machine.path(d).exists()}
        label = {_PROBE_LABEL: str(os.getpid())}
        with self._empty_image() as image:
            try:
                container = self.docker.run_container(
                    image, ["sleep", "60"], labels=label, privileged=True, read_only_mounts=mounts
                )
                # kind itself calls `docker exec --privileged`.
                self.docker.execute(container, ["true"], privileged=True)
            except CommandError as error:
                return (error.stderr.strip() or str(error)).splitlines()[0]
            except EngineDownError:
                raise
            except HostError as error:
                return error.what
            finally:
                with cancel.undoing(cancel.CLEANUP_S):
                    for left in self.docker.containers({**label}):
                        self.docker.remove_container(left.id)
        return None

    @contextmanager
    def _empty_image(self) -> Iterator[str]:
        image = f"{_PROBE_IMAGE}:{os.getpid()}"
        with tempfile.TemporaryDirectory(prefix="eastwest-lab-") as folder:
            tar = Path(folder) / "empty.tar"
            tarfile.open(tar, "w").close()
            self.docker.import_rootfs(tar, image)
        try:
            yield image
        finally:
            self.docker.remove_image(image)

    def _refuse_elsewhere(self) -> None:
        """Refuse to change this machine's Docker service while the docker command uses another engine."""
        with suppress(EngineDownError):  # no docker command: then no other engine is used either
            endpoint = self.docker.endpoint()
            if endpoint != self.service and not is_own(endpoint):
                raise HostError(
                    f"the docker command uses another engine ({redact(endpoint)}); this machine's was not touched",
                    next=f"{chosen_by(self.machine.environ)}, then run the same command again",
                )

    def _local_pid(self) -> int:
        if self.pid is None:
            raise HostError(
                "the engine does not run on this machine, so the lab cannot set its runtime",
                next="give the engine's machine the missing capability, or use another engine",
            )
        return self.pid

    def _place(self, settings: dict[str, Any]) -> None:
        """Write the program and the link to the runtime that it executes."""
        target = self._runtime_before(settings)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.file, self._program(), mode=0o755)
            if target is not None:
                link = self.file.with_name("real")
                link.unlink(missing_ok=True)
                link.symlink_to(target)
        except OSError as error:
            raise HostError(f"cannot be written: {error.strerror}", where=str(self.file)) from error

    def _runtime_before(self, settings: dict[str, Any]) -> str | None:
        """Return the program of the engine's current default runtime; None if that is the lab's runtime already."""
        name = settings.get("default-runtime", "runc")
        if name == NAME:
            return None
        runtime = settings.get("runtimes", {}).get(name, {})
        path = runtime.get("path") or self.machine.which("runc")
        if path is None or runtime.get("runtimeArgs") or runtime.get("runtimeType"):
            raise HostError(
                f"the lab cannot wrap the engine's default runtime {name!r}",
                next=f"make runc the default-runtime in {self.config.file}",
            )
        return str(path)

    def _program(self) -> str:
        """Return the program to install; it runs with a Python outside the lab's virtual environment."""
        source = Path(bounded_runc.__file__).read_text(encoding="utf-8")
        python = "/usr/bin/python3"
        if not self.machine.path(python).exists():
            python = str(Path(sys.base_prefix) / "bin" / "python3")
        return f"#!{python} -IS\n{source.partition(chr(10))[2]}"

    def _reload(self, pid: int, runtime: str) -> None:
        """Make the engine reload its configuration file; a changed runtime needs no restart."""
        os.kill(pid, signal.SIGHUP)

        def probe() -> str | wait.NotYet:
            now = self.docker.info().default_runtime
            return now if now == runtime else wait.NotYet(f"it is {now}")

        restart = "systemctl restart docker" if self.machine.has_systemd else "service docker restart"
        wait.until(f"the engine's default runtime is {runtime}", probe, timeout_s=15, interval_s=0.2, next=restart)


def _flag(words: list[str], name: str) -> str | None:
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None
