"""The container engine, in the verbs that the lab needs.

Every command runs in `lab.base.process`, with a time limit (`lab.tools.docker_client`). Questions and small changes go
through python-on-whales, whose models know every engine's JSON; what takes long or streams (build, pull, save, load,
exec) is a plain command, with progress.

What comes back are the lab's own records, taken at one moment: python-on-whales' objects ask the engine again
at each attribute, so that two attributes may belong to two different moments.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from lab.base.errors import CommandError
from lab.base.process import Completed
from lab.tools import freezer
from lab.tools.docker_client import ABSENT, absent_is_fine, label
from lab.tools.docker_errors import EngineDeniedError, EngineDownError, EngineSilentError, explain
from lab.tools.docker_images import Images
from lab.tools.docker_records import (
    Container,
    Engine,
    Image,
    Network,
    read_container,
    read_engine,
    read_network,
)

__all__ = [
    "Container",
    "Docker",
    "Engine",
    "EngineDeniedError",
    "EngineDownError",
    "EngineSilentError",
    "Image",
    "Network",
    "explain",
]
_NO_FILE = re.compile(r"no such container:path|could not find the file", re.IGNORECASE)


@dataclass(frozen=True)
class Docker(Images):
    """An engine to talk to: the one that DOCKER_HOST or the current Docker context names, or `host`.

    Every method raises EngineDownError when no engine answers, EngineSilentError when it does not answer in time,
    HostError when the machine is in the way (a full disk, a port or subnet that is taken, no right to use the engine),
    and CommandError with the engine's own words for all else.
    """

    # The engine

    def info(self) -> Engine:
        """Ask the engine about itself."""
        with self._client() as client:
            found = client.system.info()
        if not found.server_version:  # some versions of the command exit with 0 when no engine answers
            raise EngineDownError("no container engine answers", next="lab doctor --fix")
        return read_engine(found)

    def cgroup_version(self) -> str:
        """Return "1" or "2", which of the kernel's interfaces the engine's containers run on."""
        # python-on-whales' model leaves this field out.
        return self._ask("info", "--format", "{{.CgroupVersion}}")

    def endpoint(self) -> str:
        """Return where the engine listens, such as unix:///var/run/docker.sock."""
        if self.host is not None:
            return self.host
        return self._ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")

    # Containers

    def containers(
        self, labels: Mapping[str, str | None] | None = None, *, names: Sequence[str] = ()
    ) -> list[Container]:
        """Return all containers, running or not, with these labels (None: any value) and one of these names, if any."""
        filters: list[tuple[Any, str]] = [label(key, value) for key, value in (labels or {}).items()]
        # The engine compares names as regular expressions, some versions with the slash that it keeps before them.
        filters += [("name", f"^/?{re.escape(name)}$") for name in names]
        return self._all(lambda client: client.container.list(all=True, filters=filters), read_container)

    def container(self, name: str) -> Container | None:
        """Return a container by its name or id, None if there is none."""
        with absent_is_fine(), self._client() as client:
            return read_container(client.container.inspect(name)._get_inspect_result())
        return None

    def run_container(
        self,
        image: str,
        argv: Sequence[str],
        *,
        labels: Mapping[str, str],
        name: str | None = None,
        network: str = "none",
        entrypoint: str | None = None,
        privileged: bool = False,
        security_options: Sequence[str] = (),
        read_only_mounts: Mapping[Path, str] | None = None,
    ) -> str:
        """Start a container in the background and return its id. `read_only_mounts` maps host folders to its own."""
        words = [f"--label={key}={value}" for key, value in labels.items()]
        words += [f"--volume={host}:{inside}:ro" for host, inside in (read_only_mounts or {}).items()]
        words += [f"--name={name}"] if name else []
        words += [f"--entrypoint={entrypoint}"] if entrypoint else []
        words += ["--privileged"] if privileged else []
        words += [f"--security-opt={option}" for option in security_options]
        words += [f"--network={network}", "--pull=never", image, *argv]
        return self._do("container", "run", "--detach", *words, timeout_s=120).stdout.strip()

    def start(self, name: str) -> None:
        """Start a stopped container."""
        with self._client(timeout_s=60) as client:
            client.container.start(name)

    def pause(self, name: str) -> None:
        """Suspend all processes of a container."""
        with self._client() as client:
            client.container.pause(name)

    def unpause(self, name: str) -> None:
        """Resume a paused container."""
        with self._client() as client:
            client.container.unpause(name)

    def stop(self, name: str, *, grace_s: int = 10) -> None:
        """Stop a container, with force after `grace_s`."""
        self._thawing(name, "container", "stop", "--time", str(grace_s), name, timeout_s=grace_s + 60)

    def set_restart_policy(self, name: str, policy: str) -> None:
        """Say when the engine starts a container by itself: no, always, unless-stopped, on-failure."""
        with self._client() as client:
            client.container.update(name, restart=policy)

    def bound_memory(self, name: str, mib: int) -> None:
        """Bound what a container may use of the machine's memory, swap included."""
        with self._client() as client:
            client.container.update(name, memory=f"{mib}m", memory_swap=f"{mib}m")

    def remove_container(self, name: str) -> bool:
        """Remove a container, running or not, with its anonymous volumes; False when it was not there."""
        try:
            said = self._thawing(name, "container", "rm", "--force", "--volumes", name, timeout_s=120)
        except CommandError as error:  # how the command tells that there is no such container depends on its version
            if ABSENT.search(error.stderr):
                return False
            raise
        return bool(said.stdout.strip())

    def execute(
        self,
        name: str,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002
        privileged: bool = False,
        detach: bool = False,
        timeout_s: float = 60,
        check: bool = True,
    ) -> Completed:
        """Run a command in a running container, with the container's privileges or with all; `detach`: do not wait.

        Without `check` the command may exit as it likes; that the engine went away is still an error.
        """
        words = ["--privileged"] if privileged else []
        words += [] if input is None else ["--interactive"]
        words += ["--detach"] if detach else []
        argv = ["container", "exec", *words, name, *argv]
        done = self._do(*argv, input=input, timeout_s=timeout_s, check=False)
        if done.returncode == 0:
            return done
        if done.returncode == 255 and not done.stderr:  # all that docker says when the engine ends meanwhile
            self.info()
        error = CommandError(done.argv, returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)
        explained = explain(error)
        if check or isinstance(explained, EngineDownError | EngineDeniedError):
            raise explained
        return done

    def copy_into(self, name: str, file: Path, path: str, *, timeout_s: float = 300) -> None:
        """Copy a file into a container, running or not; not to where a tmpfs is mounted."""
        self._do("container", "cp", str(file), f"{name}:{path}", timeout_s=timeout_s)

    def read_file(self, name: str, path: str, *, timeout_s: float = 30) -> str | None:
        """Return a small text file of a container, running or not; None where it has none."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            try:
                self._do("container", "cp", f"{name}:{path}", str(file), timeout_s=timeout_s)
            except CommandError as error:
                if _NO_FILE.search(error.stderr):
                    return None
                raise
            return file.read_text(encoding="utf-8")

    def logs(self, name: str, *, tail: int | None = None) -> str:
        """Return what a container's main process printed, both streams; the last `tail` lines."""
        limit = [] if tail is None else ["--tail", str(tail)]
        said = self._do("container", "logs", *limit, name, timeout_s=60)
        return said.stdout + said.stderr

    # Networks

    def networks(self, labels: Mapping[str, str | None] | None = None) -> list[Network]:
        """Return all networks with these labels; None stands for any value."""
        filters = [label(key, value) for key, value in (labels or {}).items()]
        return self._all(lambda client: client.network.list(filters=filters), read_network)

    def network(self, name: str) -> Network | None:
        """Return a network by its name or id, None if there is none."""
        with absent_is_fine(), self._client() as client:
            return read_network(client.network.inspect(name)._get_inspect_result())
        return None

    def create_network(
        self,
        name: str,
        *,
        subnet: IPv4Network,
        labels: Mapping[str, str],
        options: Mapping[str, str] | None = None,
    ) -> Network:
        """Create a bridge network. Its explicit subnet is what lets containers choose their addresses."""
        set_options = [f"{key}={value}" for key, value in (options or {}).items()]
        with self._client(timeout_s=60) as client:
            made = client.network.create(
                name, driver="bridge", subnet=str(subnet), labels=dict(labels), options=set_options
            )
            return read_network(made._get_inspect_result())

    def connect(self, network: str, container: str, *, ip: IPv4Address | None = None) -> None:
        """Attach a container to a network, at an address of choice."""
        with self._client(timeout_s=60) as client:
            client.network.connect(network, container, ip=None if ip is None else str(ip))

    def disconnect(self, network: str, container: str) -> None:
        """Take a container off a network."""
        with self._client(timeout_s=60) as client:
            client.network.disconnect(network, container)

    def remove_network(self, name: str) -> bool:
        """Remove a network; False when it was not there."""
        with absent_is_fine(), self._client(timeout_s=60) as client:
            client.network.remove(name)
            return True
        return False

    def _thawing(self, name: str, *words: str, timeout_s: float) -> Completed:
        """Run a command that ends a container, which may need a push on cgroup v1."""
        try:
            return self._do(*words, timeout_s=timeout_s)
        except CommandError as error:
            found = self.container(name) if "did not receive an exit event" in error.stderr else None
            if found is None or not freezer.thaw(found.id):
                raise
            return self._do(*words, timeout_s=timeout_s)
